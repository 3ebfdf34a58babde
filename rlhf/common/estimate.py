# SPDX-License-Identifier: Apache-2.0
"""Estimates of a run's remaining and usual time and memory; None if there is no basis for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from data.records import Run
from labeling.texts.pages import text
from rlhf.presets import relative_work

EARLY, LITTLE = 5.0, 0.05
"""Seconds of work, and the share of it, below which a rate is not reliable: most of the time was the start-up."""

STALLED = 600.0
"""Seconds without progress after which a running run is reported."""


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one stored time to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def remaining_seconds(run: Run, now: str) -> float | None:
    """Return the seconds left at the average rate so far, or None. Start-up counts, so the estimate errs long."""
    if run.state != "running" or not run.started_at or not 0 < run.done < run.total:
        return None
    worked = seconds_between(run.started_at, now)
    early = worked < EARLY or run.done < LITTLE * run.total
    return None if early else worked * (run.total - run.done) / run.done


def stalled_seconds(run: Run, now: str) -> float | None:
    """Return the seconds since a running run's last progress, from STALLED seconds on; else None.

    A run without any progress counts from its start: loading a large model takes minutes.
    """
    last = run.progress_at or run.started_at
    if run.state != "running" or last is None:
        return None
    seconds = seconds_between(last, now)
    return seconds if seconds >= STALLED else None


def elapsed_seconds(run: Run, now: str) -> float | None:
    """Return the seconds from the start to the end, or to now; None if it never started."""
    return seconds_between(run.started_at, run.ended_at or now) if run.started_at else None


def typical_seconds(runs: Sequence[Run], kind: str, last: int = 5) -> float | None:
    """Return the median seconds of this machine's last finished runs of a kind; None without any."""
    times = [elapsed_seconds(run, "") for run in _finished(runs, kind)[:last]]
    known = [seconds for seconds in times if seconds is not None]
    return median(known) if known else None


def expected_seconds(runs: Sequence[Run], kind: str, settings: Mapping[str, Any], last: int = 5) -> float | None:
    """Return the seconds that these settings would take at the rate of the last finished runs of a kind; else None.

    The start-up counts as work, so that the estimate of a longer run errs long, and that of a shorter one short.
    """
    wanted, rates = relative_work(kind, settings), []
    for run in _finished(runs, kind)[:last]:
        seconds, worked = elapsed_seconds(run, ""), relative_work(kind, run.settings)
        if seconds is not None and worked is not None:
            rates.append(seconds / worked)
    return wanted * median(rates) if wanted and rates else None


def peak_memory_mb(runs: Sequence[Run], kind: str, last: int = 5) -> float | None:
    """Return the peak memory in MB of the last finished runs of a kind, or None if no report has one."""
    return max((run.report["peak_mb"] for run in _finished(runs, kind)[:last] if "peak_mb" in run.report), default=None)


def _finished(runs: Sequence[Run], kind: str) -> list[Run]:
    return [run for run in runs if run.kind == kind and run.state == "done"]


def describe_progress(run: Run, now: str) -> str:
    """Return how far a run is, in the reader's language, and about how long it still takes if that is known."""
    counted = " of " in run.note  # "update 3 of 36" says more than the steps inside the updates
    progress = run.note if counted else text("runs.progress", done=run.done, total=run.total, note=run.note)
    left = remaining_seconds(run, now)
    return progress + (text("runs.time_left", time=format_duration(left)) if left else "")


def format_duration(seconds: float) -> str:
    """Format seconds in the reader's language with the precision of an estimate: 8 s, 3 min, 2.5 h."""
    if seconds < 60:
        return text("duration.seconds", n=max(1, round(seconds)))
    if seconds < 5400:
        return text("duration.minutes", n=round(seconds / 60))
    return text("duration.hours", n=f"{seconds / 3600:.1f}")

# SPDX-License-Identifier: Apache-2.0
"""The curves of one run, joined with those of the runs that it continues, and thinned. Without gradio."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from data.records import Run
from data.run_context import SECONDS
from data.store import Store

POINTS = 400
"""Points of a series, at most; the newest comes in addition."""
Point = tuple[int, float]


class Series(NamedTuple):
    """The finite points of one metric, thinned, and the number of values that are not finite."""

    points: list[Point]
    not_finite: int


class Curves(NamedTuple):
    """The series of a run by metric.

    `seconds` is the time worked by step; it is empty for runs of earlier versions. `before` lists the runs that this
    one continues, oldest first.
    """

    run: Run
    before: list[Run]
    series: dict[str, Series]
    seconds: dict[int, float]


def read_curves(store: Store, run: Run) -> Curves:
    """Return the curves of a run. What it continues is drawn up to the step before its own first one."""
    *before, _ = store.runs.lineage(run)
    joined = join_series(store, [*before, run])
    seconds = dict(joined.pop(SECONDS, []))
    series = {key: thin(points) for key, points in joined.items()}
    steps = sorted({step for each in series.values() for step, _ in each.points} & seconds.keys())
    return Curves(run, before, series, {step: seconds[step] for step in steps})


def thin(points: Sequence[Point]) -> Series:
    """Return the finite points, every n-th from the first and the newest. A new point moves few others."""
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    every = max(1, math.ceil(len(finite) / POINTS))
    kept = finite[::every]
    if kept and kept[-1] != finite[-1]:
        kept.append(finite[-1])
    return Series(kept, len(points) - len(finite))


def join_series(store: Store, lineage: Iterable[Run]) -> dict[str, list[Point]]:
    """Return every curve of runs that resume each other, as one run would have drawn it."""
    joined: dict[str, list[Point]] = {}
    for run in lineage:
        joined = _join(joined, store.metrics.all_series(run.id))
    return joined


def _join(old: dict[str, list[Point]], new: dict[str, list[Point]]) -> dict[str, list[Point]]:
    """Return the curves of a run with those of the continued one before its first step. Seconds add up."""
    first = min((step for step, _ in chain(*new.values())), default=math.inf)
    kept = {key: [point for point in points if point[0] < first] for key, points in old.items()}
    worked = kept[SECONDS][-1][1] if kept.get(SECONDS) else 0.0
    if SECONDS in new:
        new = new | {SECONDS: [(step, worked + value) for step, value in new[SECONDS]]}
    return {key: kept.get(key, []) + new.get(key, []) for key in dict.fromkeys((*kept, *new))}

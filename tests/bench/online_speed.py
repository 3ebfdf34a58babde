# SPDX-License-Identifier: Apache-2.0
"""The reaction of an online run: seconds from a label to the first screen with an answer of the policy that learned.

Simulated labelers look at a pair each and label at an even pace: ten give a label every two seconds together, a flood
of a hundred gives five a second. The run is a process of its own, as in the app. Nobody should wait for a pair.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from data.records import Run
from data.starter import gold
from data.store import Store
from labeling.queue.items import shown_ids
from labeling.session import Answer, Session
from labeling.simulate import RubricScores, perceive, simulated_account
from rlhf.runs.first_start import load_starter
from rlhf.runs.launch import launch
from tests.bench.online import scored

LABELERS, SECONDS_PER_LABEL, LABELS = 10, 2.0, 160
FLOOD = 100
"""Labelers of the flood, each with a label every 20 seconds."""
FLOOD_SECONDS = 110.0
CATCH_UP = 30.0
"""Seconds without labels after the flood, in which the lag should fall."""
BETA = 1.0
PATIENCE = 300.0
OF_TRAIN = """SELECT count(*) FROM current_comparisons AS c JOIN pairs AS p ON p.id = c.pair_id JOIN prompts AS q ON q.id = p.prompt_id
WHERE q.split = 'train' AND c.verdict != 'both_bad'"""
LEARNED = """SELECT c.created_at, o.version FROM comparisons AS c JOIN online_pairs AS o USING (pair_id)
WHERE o.arm = 'active' ORDER BY c.created_at"""
SHOWN = """SELECT o.version, min(a.created_at) AS shown_at FROM assignments AS a JOIN online_pairs AS o USING (pair_id)
GROUP BY o.version ORDER BY o.version"""


def online_speed(home: Path) -> dict[str, Any]:
    """Return the median and the 90 % quantile of the reaction in seconds, the longest wait for a pair, and counts."""
    store, run = _start(home)
    waits = _label(store, LABELERS, LABELS, SECONDS_PER_LABEL)
    reactions = _reactions(store, run.id)
    _stop(store, run.id)
    return {
        "labels": store.comparisons.count("simulated"),
        "updates": len(store.metrics.series(run.id, "labels")),
        "reaction_median": round(median(reactions), 1),
        "reaction_90": round(sorted(reactions)[int(0.9 * len(reactions))], 1),
        "measured": len(reactions),
        "longest_wait": round(max(waits), 2),
    }


def online_flood(
    home: Path, *, labelers: int = FLOOD, pace: float = 5.0, seconds: float = FLOOD_SECONDS, rest: float = CATCH_UP
) -> dict[str, Any]:
    """Return what a flood of labels does: labels given, stored and learned from, waits for a pair, and the run's lag."""
    store, run = _start(home)
    given = round(pace * seconds)
    began = time.monotonic()
    waits = _label(store, labelers, given, 1 / pace)
    spent, note = time.monotonic() - began, store.runs.get(run.id).note
    time.sleep(rest)
    later = store.runs.get(run.id).note
    _stop(store, run.id)
    (model,) = [model for model in store.reward_models.all() if model.run_id == run.id]
    ordered = sorted(waits)
    return {
        "load": round(os.getloadavg()[0], 1),
        "given": given,
        "per_second": round(given / spent, 2),
        "stored": store.comparisons.count("simulated"),
        "of_train_prompts": store.value(OF_TRAIN),
        "learned_from": model.report["trained_on"],
        "updates": len(store.metrics.series(run.id, "labels")),
        "wait_p99": round(ordered[int(0.99 * len(ordered))], 2),
        "longest_wait": round(ordered[-1], 2),
        "waited_over_1s": sum(wait > 1 for wait in waits),
        "note": note,
        "note_after_rest": later,
    }


def _start(home: Path) -> tuple[Store, Run]:
    store = Store(home)
    load_starter(store)
    return store, launch(store, "online", {"labels": "simulated", "from": "p2"}, by="bench")


def _stop(store: Store, run_id: int) -> None:
    """Let the run publish, and wait for its end."""
    store.runs.request_cancel(run_id)
    began = time.monotonic()
    while not store.runs.get(run_id).over and time.monotonic() - began < PATIENCE:
        time.sleep(0.2)


def _label(store: Store, labelers: int, labels: int, seconds: float) -> list[float]:
    """Label at an even pace; return the seconds that labelers waited for each pair. The others continue meanwhile."""
    rng, scores = random.Random(0), RubricScores(store, partial(scored, gold))
    sessions = [Session(store, simulated_account(store, number), rng=rng) for number in range(1, labelers + 1)]
    looking = [_next(session) for session in sessions]
    waits, since = [], dict.fromkeys(range(labelers), 0.0)
    due = time.monotonic()
    for number in range(labels):
        place = number % labelers
        time.sleep(max(0.0, due - time.monotonic()))
        due += seconds
        waits += _seek(sessions, looking, since)
        if looking[place] is None:  # the pace shows it
            looking[place] = _next(sessions[place])
            waits.append(time.monotonic() - since[place])
        left, right = shown_ids(sessions[place].find_assignment(looking[place]))
        verdict = perceive(BETA * (scores(left) - scores(right)), rng)
        sessions[place].submit(Answer(secrets.token_hex(16), looking[place], verdict))
        looking[place], since[place] = None, time.monotonic()
        waits += _seek(sessions, looking, since)
    return waits


def _seek(sessions: Sequence[Session], looking: list[str | None], since: dict[int, float]) -> list[float]:
    """Give a pair to each labeler without one, if there is any; return the seconds that those who got one waited."""
    waits = []
    for place, assignment in enumerate(looking):
        if assignment is None and (item := sessions[place].next()):
            looking[place] = item.assignment
            waits.append(time.monotonic() - since[place])
    return waits


def _next(session: Session) -> str:
    """Return the assignment that the labeler gets, once there is one."""
    began = time.monotonic()
    while (item := session.next()) is None:
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"no pair after {PATIENCE:.0f} s")
        time.sleep(0.05)
    return item.assignment


def _reactions(store: Store, run_id: int) -> list[float]:
    """Return for each label the seconds until somebody saw an answer of the policy that had learned from it."""
    learned = dict(store.metrics.series(run_id, "labels"))
    shown = {row["version"]: _seconds(row["shown_at"]) for row in store.rows(SHOWN)}
    return reaction_seconds([_seconds(row["created_at"]) for row in store.rows(LEARNED)], learned, shown)


def reaction_seconds(given: Sequence[float], learned: dict[int, float], shown: dict[int, float]) -> list[float]:
    """Return the reaction to each label, given at these times in order, without those that nobody saw the effect of.

    By version of the policy, `learned` has the number of labels that it has learned from, and `shown` the time at which
    somebody first saw an answer of it.
    """
    reactions = []
    for rank, moment in enumerate(given, start=1):
        versions = [version for version, labels in learned.items() if labels >= rank]
        seen = [shown[version] for version in shown if versions and version >= min(versions)]
        if seen:
            reactions.append(min(seen) - moment)
    return reactions


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()

# SPDX-License-Identifier: Apache-2.0
"""The reaction of an online run: seconds from a label to the first screen with an answer of the policy that learned.

Ten simulated labelers look at a pair each and give one label every two seconds together. The run is a process of its
own, as in the app. Nobody should wait for a pair.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from data.starter import gold
from data.store import Store
from labeling.queue.items import shown_ids
from labeling.session import Answer, Session
from labeling.simulate import RubricScores, perceive, simulated_account
from rlhf.runs.first_start import load_starter
from rlhf.runs.launch import launch
from tests.bench.online import scored

LABELERS, SECONDS_PER_LABEL, LABELS = 10, 2.0, 160
BETA = 1.0
PATIENCE = 300.0
LEARNED = """SELECT c.created_at, o.version FROM comparisons AS c JOIN online_pairs AS o USING (pair_id)
WHERE o.arm = 'active' ORDER BY c.created_at"""
SHOWN = """SELECT o.version, min(a.created_at) AS shown_at FROM assignments AS a JOIN online_pairs AS o USING (pair_id)
GROUP BY o.version ORDER BY o.version"""


def online_speed(home: Path) -> dict[str, Any]:
    """Return the median and the 90 % quantile of the reaction in seconds, the longest wait for a pair, and counts."""
    store = Store(home)
    load_starter(store)
    run = launch(store, "online", {"labels": "simulated", "from": "p2"}, by="bench")
    waits = _label(store)
    store.runs.request_cancel(run.id)
    reactions = _reactions(store, run.id)
    began = time.monotonic()
    while not store.runs.get(run.id).over and time.monotonic() - began < PATIENCE:
        time.sleep(0.2)
    return {
        "labels": store.comparisons.count("simulated"),
        "updates": len(store.metrics.series(run.id, "labels")),
        "reaction_median": round(median(reactions), 1),
        "reaction_90": round(sorted(reactions)[int(0.9 * len(reactions))], 1),
        "measured": len(reactions),
        "longest_wait": round(max(waits), 2),
    }


def _label(store: Store) -> list[float]:
    """Label at an even pace; return the seconds that labelers waited for each pair."""
    rng, scores = random.Random(0), RubricScores(store, partial(scored, gold))
    sessions = [Session(store, simulated_account(store, number), rng=rng) for number in range(1, LABELERS + 1)]
    looking = [_next(session) for session in sessions]
    waits = []
    due = time.monotonic()
    for number in range(LABELS):
        place = number % LABELERS
        time.sleep(max(0.0, due - time.monotonic()))
        due += SECONDS_PER_LABEL
        left, right = shown_ids(sessions[place].find_assignment(looking[place]))
        verdict = perceive(BETA * (scores(left) - scores(right)), rng)
        sessions[place].submit(Answer(secrets.token_hex(16), looking[place], verdict))
        began = time.monotonic()
        looking[place] = _next(sessions[place])
        waits.append(time.monotonic() - began)
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

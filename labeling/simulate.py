"""Simulated labelers: they answer through `Session` like anyone, and every answer is marked as simulated for ever.

A labeler who compares two answers whose gold scores differ by d = gold(left) - gold(right) perceives z = beta d + e,
where e is standard logistic noise, and prefers the left one where z > 0. That is a Bernoulli choice with
p = sigmoid(beta d) (Bradley-Terry). Two such labelers agree on the pair with probability p^2 + (1 - p)^2; `beta` is the
one at which this probability, averaged over the waiting pairs, is the agreement asked for. The verdict is graded by how
large the difference seemed: |z| < 1 slightly, < 2.5 clearly, else much better. There are no ties: a tie would
count half in measured agreement and so shift it from the formula.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from data.errors import BadInput
from data.records import Account, Completion, Prompt
from data.store import Store
from labeling.queue import OVERLAP
from labeling.session import Answer, Item, Session

AGREEMENT = 0.73
GRADES = ((1.0, "_slightly"), (2.5, ""), (math.inf, "_much"))
LARGEST_BETA = 1e6
BATCH = 200

Score = Callable[[Prompt, Completion], float]


def simulate(
    store: Store, *, labels: int, labelers: int, agreement: float = AGREEMENT, seed: int = 0, score: Score, overlap: float = OVERLAP
) -> int:
    """Let `labelers` accounts named sim-1, sim-2, ... give up to `labels` answers in turn; the number given.

    Fewer than `labels` are given where the waiting pairs run out. `overlap` is the mean number of labelers per pair
    (1.1: one pair in ten is judged by two, which is what measured agreement needs). Raises `BadInput` where no pair waits,
    where a number makes no sense, or where the gold scores do not admit the agreement.
    """
    check(labels, labelers)
    rng = random.Random(seed)
    accounts = [account(store, f"sim-{number}") for number in range(1, labelers + 1)]
    sessions = [Session(store, each, overlap=overlap, rng=rng) for each in accounts]
    gold = Gold(store, score)
    beta = fit_beta(gold.differences(), agreement)
    given = 0
    while sessions and given < labels:
        with store.transaction():  # one disk write for many answers: nobody waits for a simulated receipt
            for session in sessions[: min(len(sessions), labels - given)]:
                answered = answer_next(session, gold, beta, rng)
                given += answered
                if not answered:
                    sessions.remove(session)
    return given

"""Simulated raters for rows that the starter's rubric knows; what they say is marked as simulated for ever.

A rater perceives gold plus normal noise of deviation `noise` (in standard deviations of gold over the rows to be rated) and gives the point
0 to 5 that is nearest on a line from the 2nd percentile of gold (0) to the 98th (5). With noise 1 two raters correlate at about 0.6, as people do.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from data.records import Instruction
from data.starter import SOURCE, gold
from data.store import Store
from labeling.simulate import simulated_account

NOISE = 1.0
KNOWN = 500
"""Rows by which the line from gold to points is laid."""


@dataclass(frozen=True, slots=True)
class Rater:
    """The line from gold to points, and how much noise stands between; `spread` is the deviation of gold over the rows to be rated."""

    low: float
    high: float
    spread: float
    noise: float = NOISE

    @classmethod
    def of(cls, known: Sequence[float], noise: float = NOISE) -> Rater:
        """A rater for rows whose gold is like `known`."""
        low, high = np.percentile(known, [2, 98])
        return cls(float(low), max(float(high), float(low) + 1e-9), float(np.std(known)), noise)

    def rate(self, gold: float, rng: random.Random) -> int:
        """Points of a row whose rubric score is `gold`."""
        seen = gold + rng.gauss(0, self.noise * self.spread)
        return int(np.clip(np.rint(5 * (seen - self.low) / (self.high - self.low)), 0, 5))


def simulate_ratings(store: Store, *, ratings: int, raters: int, seed: int = 0, noise: float = NOISE) -> int:
    """Let the accounts sim-1, sim-2, ... rate rows in turn; how many ratings were given, fewer where the rows run out.

    Raises BadInput, and records nothing, where a number makes no sense or a row is not the starter's.
    """
    for name, value in (("ratings", ratings), ("raters", raters)):
        if value < 1:
            raise BadInput(f"{value} is too few", "Give at least 1.", field=name)
    rows = store.instructions.all(split="train", source=SOURCE, limit=KNOWN)
    if not rows:
        raise BadInput("the rubric knows none of the instruction rows", "Let people rate: /label/rate")
    rater, rng, given = Rater.of([_gold(store, row) for row in rows], noise), random.Random(seed), 0
    with store.transaction():
        accounts = [simulated_account(store, number) for number in range(1, raters + 1)]
        while accounts and given < ratings:
            account = accounts[given % len(accounts)]
            waiting = store.ratings.next_row(account.id)
            if waiting is None:
                accounts.remove(account)
                continue
            score = rater.rate(_gold(store, store.instructions.get(waiting)), rng)
            store.ratings.add(secrets.token_hex(16), waiting, account.id, score)
            given += 1
    return given


def _gold(store: Store, row: Instruction) -> float:
    facts = store.prompts.get(row.prompt_id).facts
    if facts is None:
        raise BadInput(
            f"the rubric knows nothing about the row {row.instruction[:60]!r}", "Let people rate: /label/rate"
        )
    return gold(facts, row.output)

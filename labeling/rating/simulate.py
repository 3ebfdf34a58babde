# SPDX-License-Identifier: Apache-2.0
"""Simulated raters for rows with a rubric score; their ratings are permanently flagged as simulated.

A rater perceives the rubric score plus normal noise of deviation `noise` (in standard deviations of the score over the
rows to rate). The rating is the nearest point, 0 to 5, on a line from the 2nd percentile of the score (0) to the 98th
(5). With noise 1 two raters correlate at about 0.6, as people do.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import Instruction
from data.starter import SOURCE, gold
from data.store import Store
from labeling.rating import NOISE
from labeling.simulate import simulated_account
from labeling.texts.pages import bad_input

SAMPLE_ROWS = 500
"""Rows that determine the line from scores to points."""


@dataclass(frozen=True, slots=True)
class Rater:
    """The line from rubric scores to points, and the noise; `spread`: standard deviation of the score over the rows."""

    low: float
    high: float
    spread: float
    noise: float = NOISE

    @classmethod
    def of(cls, scores: Sequence[float], noise: float = NOISE) -> Rater:
        """Return a rater for rows whose scores are distributed as `scores`."""
        low, high = np.percentile(scores, [2, 98])
        return cls(float(low), max(float(high), float(low) + 1e-9), float(np.std(scores)), noise)

    def rate(self, gold: float, rng: random.Random) -> int:
        """Return the points of a row with the rubric score `gold`."""
        perceived = gold + rng.gauss(0, self.noise * self.spread)
        return int(np.clip(np.rint(5 * (perceived - self.low) / (self.high - self.low)), 0, 5))


def simulate_ratings(store: Store, *, ratings: int, raters: int, seed: int = 0, noise: float = NOISE) -> int:
    """Let the accounts sim-1 to sim-N rate rows in turn; return the number of ratings, fewer if the rows run out.

    Raises BadInput, and records nothing, if a number is below 1 or a row is not from the starter.
    """
    for name, value in (("ratings", ratings), ("raters", raters)):
        if value < 1:
            raise bad_input("refused.too_few", field=name, value=value)
    rows = store.instructions.all(split="train", source=SOURCE, limit=SAMPLE_ROWS)
    if not rows:
        raise bad_input("need.scored_rows")
    rater, rng, count = Rater.of([_gold(store, row) for row in rows], noise), random.Random(seed), 0
    with store.transaction():
        accounts = [simulated_account(store, number) for number in range(1, raters + 1)]
        while accounts and count < ratings:
            account = accounts[count % len(accounts)]
            row_id = store.ratings.next_row(account.id)
            if row_id is None:
                accounts.remove(account)
                continue
            score = rater.rate(_gold(store, store.instructions.get(row_id)), rng)
            store.ratings.add(secrets.token_hex(16), row_id, account.id, score)
            count += 1
    return count


def _gold(store: Store, row: Instruction) -> float:
    facts = store.prompts.get(row.prompt_id).facts
    if facts is None:
        raise bad_input("refused.rubric_row", instruction=row.instruction[:60])
    return gold(facts, row.output)

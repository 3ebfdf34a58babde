# SPDX-License-Identifier: Apache-2.0
"""Labeled comparisons with a model's scores, and shares of them with their intervals. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.intervals import Counts, Floats, ratio_interval

SAME = 1e-9
SEED = 0


@dataclass(frozen=True, slots=True)
class ScoredComparison:
    """A labeled comparison of a test prompt with the model's raw scores, whose difference is in log-odds.

    Answer a was shown on the left. `label` is 1 if a is better, 0.5 for a tie, 0 if b is better; `margin` is 3, 2, 1 or
    0. The gold scores are None if no rubric knows the prompt. `labeler` is a pseudonym.
    """

    prompt_id: int
    prompt: str
    a_text: str
    b_text: str
    a_score: float
    b_score: float
    label: float
    margin: int
    a_gold: float | None = None
    b_gold: float | None = None
    labeler: str = ""
    comparison_id: str = ""

    @property
    def difference(self) -> float:
        """Score of a minus score of b: the log-odds that a is preferred."""
        return self.a_score - self.b_score

    @property
    def has_gold(self) -> bool:
        """True if the rubric knows both answers."""
        return self.a_gold is not None and self.b_gold is not None


@dataclass(frozen=True, slots=True)
class FitPair:
    """Two answers to one prompt that differ in task fit alone: the model's scores of the fitting one and the other."""

    prompt_id: int
    fitting: float
    other: float


def ordered(first: np.ndarray, second: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return 1 for pairs that are ordered as `label` (1 or 0) says, 0.5 for equal values or label 0.5, else 0."""
    label = np.asarray(label, float)
    return np.where(label == 0.5, 0.5, np.where(label == 1.0, above(first, second), 1 - above(first, second)))


def above(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 for pairs whose first value is larger, 0.5 if both differ by less than 1e-9, else 0."""
    difference = np.asarray(first, float) - np.asarray(second, float)
    return np.where(np.abs(difference) < SAME, 0.5, (difference > 0).astype(float))


def right(rows: Sequence[ScoredComparison], values: Callable[[ScoredComparison], tuple[float, float]]) -> np.ndarray:
    """Return 1, 0.5 or 0 for each comparison: 1 if the values of (a, b) are ordered as labeled; see `ordered`."""
    pairs = np.array([values(row) for row in rows], dtype=float).reshape(-1, 2)
    return ordered(pairs[:, 0], pairs[:, 1], np.array([row.label for row in rows]))


def by_score(row: ScoredComparison) -> tuple[float, float]:
    """Return the model's scores of a and b."""
    return row.a_score, row.b_score


def by_gold(row: ScoredComparison) -> tuple[float, float]:
    """Return the rubric scores of a and b, of a comparison that has both."""
    assert row.a_gold is not None
    assert row.b_gold is not None
    return row.a_gold, row.b_gold


def accuracy(
    rows: Sequence[ScoredComparison], values: Callable[[ScoredComparison], tuple[float, float]] = by_score
) -> tuple[float, list[float]] | tuple[None, None]:
    """Return the share of comparisons that the values order as labeled, and its interval; (None, None) for no rows."""
    return share_by_prompt(right(rows, values), [row.prompt_id for row in rows])


def share_by_prompt(outcomes: Floats, prompts: Counts) -> tuple[float, list[float]] | tuple[None, None]:
    """Return the mean of `outcomes` (0 to 1) and its 95 % interval over prompts; (None, None) for none."""
    if len(outcomes) == 0:
        return None, None
    sums, counts = totals(outcomes, prompts)
    return float(sums.sum() / counts.sum()), list(ratio_interval(sums, counts))


def totals(outcomes: Floats, prompts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum and the number of each prompt's outcomes, (P,) each, prompts in the order of their ids."""
    _, index = np.unique(np.asarray(prompts), return_inverse=True)
    return np.bincount(index, weights=outcomes), np.bincount(index)

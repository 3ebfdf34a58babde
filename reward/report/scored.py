# SPDX-License-Identifier: Apache-2.0
"""Labeled comparisons with a model's scores, and how a share of them is given with its interval: numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.intervals import Counts, Floats, bootstrap_indices, percentile_interval, wilson_interval

SAME = 1e-9
SEED = 0


@dataclass(frozen=True, slots=True)
class ScoredComparison:
    """A labeled comparison of a test prompt and what the model says: raw scores, whose difference are log-odds.

    a stood left. `label` is 1 where a is better, 0.5 for a tie, 0; `margin` 3, 2, 1 or 0; gold is None where no rubric
    knows the prompt; `labeler` is a pseudonym.
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


@dataclass(frozen=True, slots=True)
class FitPair:
    """Two answers to one prompt that differ in task fit alone.

    By the model's scores of the fitting and the other one.
    """

    prompt_id: int
    fitting: float
    other: float


def ordered(first: np.ndarray, second: np.ndarray, label: np.ndarray) -> np.ndarray:
    """1 where (first, second) is ordered as `label` (1 or 0) says.

    0.5 where they are equal or the label is 0.5, else 0.
    """
    label = np.asarray(label, float)
    return np.where(label == 0.5, 0.5, np.where(label == 1.0, above(first, second), 1 - above(first, second)))


def above(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 where first is the larger, 0.5 where they differ by less than 1e-9, else 0."""
    difference = np.asarray(first, float) - np.asarray(second, float)
    return np.where(np.abs(difference) < SAME, 0.5, (difference > 0).astype(float))


def right(rows: Sequence[ScoredComparison], values: Callable[[ScoredComparison], tuple[float, float]]) -> np.ndarray:
    """For each comparison 1, 0.5 or 0: whether the two values of (a, b) are ordered as it was labeled."""
    pairs = np.array([values(each) for each in rows], dtype=float).reshape(-1, 2)
    return ordered(pairs[:, 0], pairs[:, 1], np.array([each.label for each in rows]))


def by_score(each: ScoredComparison) -> tuple[float, float]:
    """Return the model's two scores."""
    return each.a_score, each.b_score


def accuracy(
    rows: Sequence[ScoredComparison], values: Callable[[ScoredComparison], tuple[float, float]] = by_score
) -> tuple[float, list[float]] | tuple[None, None]:
    """Share of the comparisons that the values order as labeled, and its interval; (None, None) for none."""
    return share_by_prompt(right(rows, values), [each.prompt_id for each in rows])


def share_by_prompt(outcomes: Floats, prompts: Counts) -> tuple[float, list[float]] | tuple[None, None]:
    """Return the mean of `outcomes` (0 to 1) and its 95 % interval over resampled prompts.

    (None, None) for nothing.

    Where all prompts have the same share (there is one, or all are right) resampling sees no spread: the interval
    is Wilson's then, with prompts as trials.
    """
    if len(outcomes) == 0:
        return None, None
    sums, counts = totals(outcomes, prompts)
    share = float(sums.sum() / counts.sum())
    if np.ptp(sums / counts) < SAME:
        return share, list(wilson_interval(share * len(sums), len(sums)))
    return share, list(
        percentile_interval([sums[drawn].sum() / counts[drawn].sum() for drawn in bootstrap_indices(len(sums), SEED)])
    )


def totals(outcomes: Floats, prompts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the outcomes of each prompt and how many it has, (P,) each, prompts in rising order of their ids."""
    _, place = np.unique(np.asarray(prompts), return_inverse=True)
    return np.bincount(place, weights=outcomes), np.bincount(place)

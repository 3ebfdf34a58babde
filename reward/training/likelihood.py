# SPDX-License-Identifier: Apache-2.0
"""Likelihoods of a label given the difference of two scores, as torch modules that may learn cut points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from reward.training.losses import between, bradley_terry, limits

PACE = 10.0
"""Factor between the speed of cut points and weights: a hundred steps at 1e-3 would hardly move the points."""


class Likelihood(torch.nn.Module):
    """The negative log-likelihood of signed grades, given score differences in log-odds."""

    def forward(self, difference: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """Return -log-likelihood (P,) of signed grades, 0 a tie."""
        raise NotImplementedError

    def cut_points(self) -> list[float]:
        """Return the learned limits between grades in log-odds, increasing."""
        return []

    def has_outcome(self, grade: int) -> bool:
        """Return whether it says how likely a signed grade is."""
        return True


class BradleyTerry(Likelihood):
    """A win counts the same at every grade, a tie is half a win for each side; there is nothing to learn."""

    def forward(self, difference: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """Return -log-likelihood (P,) of signed grades, 0 a tie."""
        return bradley_terry(difference, (grade.sign() + 1) / 2)


class CutPoints(Likelihood):
    """Grades as intervals of the latent preference; their symmetric limits are learned together with the scores.

    If `graded`, every grade that occurs is an outcome (proportional odds). Otherwise the outcomes are win, tie and loss
    (Rao-Kupper).
    """

    levels: torch.Tensor

    def __init__(self, grades: Sequence[int], graded: bool) -> None:
        super().__init__()
        self.graded = graded
        sizes = self._size(torch.tensor(grades))
        self.register_buffer("levels", sizes.unique())
        self.raw = torch.nn.Parameter(_start(sizes, self.levels))

    def forward(self, difference: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """Return -log-likelihood (P,) of signed grades, 0 a tie."""
        ties = bool(self.levels[0] == 0)
        rank = torch.searchsorted(self.levels, self._size(grade))
        outcome = len(self.levels) - 1 + grade.sign() * rank + (0 if ties else (grade > 0).long())
        ends = limits(self.points(), ties)
        return between(difference, ends[outcome], ends[outcome + 1])

    def points(self) -> torch.Tensor:
        """Return the positive limits between the levels, in log-odds, increasing (C,)."""
        return torch.nn.functional.softplus(PACE * self.raw).cumsum(0)

    def cut_points(self) -> list[float]:
        """Return the limits as plain numbers."""
        return self.points().tolist()

    def has_outcome(self, grade: int) -> bool:
        """Return whether a grade of this size occurred in training."""
        return bool((self.levels == self._size(torch.tensor(grade))).any())

    def _size(self, grade: torch.Tensor) -> torch.Tensor:
        return grade.abs() if self.graded else grade.abs().clamp(max=1)


def build_likelihood(name: str, grades: Sequence[int]) -> Likelihood:
    """Return the likelihood `name` (bradley-terry, rao-kupper, graded) for training data with these signed grades.

    If the grades leave no cut point to learn (no ties, or a single grade), the result is Bradley-Terry.
    """
    if name == "bradley-terry":
        return BradleyTerry()
    with_points = CutPoints(grades, graded=name == "graded")
    return with_points if with_points.cut_points() else BradleyTerry()


def _start(sizes: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Return the most likely points while all scores are equal.

    For logistic e the share of labels below a level is P(|e| < c) = tanh(c / 2).
    """
    below = [(sizes <= level).float().mean().item() for level in levels[:-1]]
    points = [0.0, *(2 * math.atanh(share) for share in below)]
    gaps = [after - before for before, after in zip(points, points[1:], strict=False)]
    return torch.tensor([math.log(math.expm1(gap)) / PACE for gap in gaps])

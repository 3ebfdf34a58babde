# SPDX-License-Identifier: Apache-2.0
"""Likelihoods of a label given the difference of two scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from reward.training.losses import between, bradley_terry, limits

PACE = 10.0
"""Points move this much faster than weights: a run of a hundred steps at 1e-3 would hardly move them otherwise."""


class BradleyTerry(torch.nn.Module):
    """A winner is a winner whatever its grade, a tie is half a win for each; nothing to learn."""

    def forward(self, difference: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """-log-likelihood (P,) of signed grades, 0 a tie."""
        return bradley_terry(difference, (grade.sign() + 1) / 2)

    def cut_points(self) -> list[float]:
        """None."""
        return []


class CutPoints(torch.nn.Module):
    """Grades as intervals of the latent preference, whose symmetric limits are learned with the scores.

    With `graded` every grade that occurs is an outcome (proportional odds), without only win, tie and loss
    (Rao-Kupper).
    """

    def __init__(self, grades: Sequence[int], graded: bool) -> None:
        super().__init__()
        self.graded = graded
        sizes = self._size(torch.tensor(grades))
        self.register_buffer("levels", sizes.unique())
        self.raw = torch.nn.Parameter(_start(sizes, self.levels))

    def forward(self, difference: torch.Tensor, grade: torch.Tensor) -> torch.Tensor:
        """-log-likelihood (P,) of signed grades, 0 a tie."""
        ties = bool(self.levels[0] == 0)
        rank = torch.searchsorted(self.levels, self._size(grade))
        outcome = len(self.levels) - 1 + grade.sign() * rank + (0 if ties else (grade > 0).long())
        ends = limits(self.points(), ties)
        return between(difference, ends[outcome], ends[outcome + 1])

    def points(self) -> torch.Tensor:
        """Return the positive limits between the levels, in log-odds, increasing (C,)."""
        return torch.nn.functional.softplus(PACE * self.raw).cumsum(0)

    def cut_points(self) -> list[float]:
        """Return the same as plain numbers."""
        return self.points().tolist()

    def _size(self, grade: torch.Tensor) -> torch.Tensor:
        return grade.abs() if self.graded else grade.abs().clamp(max=1)


def likelihood(name: str, grades: Sequence[int]) -> BradleyTerry | CutPoints:
    """Return the one called bradley-terry, rao-kupper or graded, for training data with these signed grades.

    Where the labels leave no point to learn (no ties, or one grade alone) the others are Bradley-Terry too.
    """
    found = BradleyTerry() if name == "bradley-terry" else CutPoints(grades, graded=name == "graded")
    return found if found.cut_points() else BradleyTerry()


def _start(sizes: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Most likely points while all scores are equal.

    P(|e| < c) = tanh(c / 2) is the share of labels below the level.
    """
    below = [(sizes <= level).float().mean().item() for level in levels[:-1]]
    points = [0.0, *(2 * math.atanh(share) for share in below)]
    gaps = [after - before for before, after in zip(points, points[1:], strict=False)]
    return torch.tensor([math.log(math.expm1(gap)) / PACE for gap in gaps])

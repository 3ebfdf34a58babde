# SPDX-License-Identifier: Apache-2.0
"""Losses of score differences: pure functions on (P,) float tensors, one entry per comparison.

Cut points divide the line, and a label names the interval that contains a latent preference d + e. Here d is the
difference of the two scores, in log-odds, and e is standard logistic. One point at 0 is Bradley and Terry (1952). Two
points at -c and c with a tie between them are Rao and Kupper (1967), c = log theta. A point between every two grades is
the proportional odds model (McCullagh 1980; Agresti, Analysis of Ordinal Categorical Data, ch. 3).
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid


def bradley_terry(difference: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy (P,) of sigmoid(difference) with `label`: 1 if the first is better, 0 the second.

    A tie has the label 0.5: half a win for each side.
    """
    return -(label * logsigmoid(difference) + (1 - label) * logsigmoid(-difference))


def between(difference: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Return -log P(lower < difference + e < upper) (P,) for logistic e; the ends may be infinite, lower < upper.

    P = sigmoid(d - lower) - sigmoid(d - upper) = sigmoid(d - lower) sigmoid(upper - d) (1 - exp(lower - upper)).
    """
    return -(logsigmoid(difference - lower) + logsigmoid(upper - difference) + torch.log1p(-torch.exp(lower - upper)))


def limits(points: torch.Tensor, ties: bool) -> torch.Tensor:
    """Return the limits of all outcomes from -inf to inf, given the positive increasing `points` (C,).

    Outcome k lies between limits k and k + 1. If `ties`, the middle outcome around 0 is a tie; else 0 is a limit too.
    """
    ends, zero = points.new_tensor([torch.inf]), points.new_zeros(0 if ties else 1)
    return torch.cat([-ends, -points.flip(0), zero, points, ends])


def mean_of_groups(loss: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return the mean over groups of the mean `loss` (P,) of each group's comparisons; `group` (P,) counts from 0.

    The K(K-1)/2 comparisons of a ranking thus have the weight of one (Ouyang et al. 2022, section 3.5).
    """
    counts = torch.bincount(group)
    return (loss / counts[group]).sum() / len(counts)


def centring(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return (first + second)^2 (P,), a penalty on mean scores far from 0 (Eisenstein et al. 2023, as in TRL)."""
    return (first + second) ** 2

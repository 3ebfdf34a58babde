# SPDX-License-Identifier: Apache-2.0
"""Losses of score differences: pure functions on (P,) float tensors, one entry per comparison.

A comparison says on which side of some points a latent preference d + e fell, where d is the difference of the two
scores and e is standard logistic. One point at 0 is Bradley and Terry (1952); two, at -c and c with a tie between them,
are Rao and Kupper (1967), c = log theta; more of them, one between every two grades, are the proportional odds model
(McCullagh 1980; Agresti, Analysis of Ordinal Categorical Data, ch. 3). In all of them d are log-odds.
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid


def bradley_terry(difference: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy (P,) of sigmoid(difference) with `label`: 1 where the first is better, 0 the second, 0.5 a tie.

    A tie is thus half a win for each side.
    """
    return -(label * logsigmoid(difference) + (1 - label) * logsigmoid(-difference))


def between(difference: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """-log P(lower < difference + e < upper) (P,) for logistic e; the ends may be infinite, lower < upper.

    P = sigmoid(d - lower) - sigmoid(d - upper) = sigmoid(d - lower) sigmoid(upper - d) (1 - exp(lower - upper)).
    """
    return -(logsigmoid(difference - lower) + logsigmoid(upper - difference) + torch.log1p(-torch.exp(lower - upper)))


def limits(points: torch.Tensor, ties: bool) -> torch.Tensor:
    """Return the ends of all outcomes in order, from -inf to inf, for the positive increasing `points` (C,).

    Outcome k lies between limits k and k + 1. With `ties` the middle one, around 0, is a tie; else 0 is a limit
    too.
    """
    ends, zero = points.new_tensor([torch.inf]), points.new_zeros(0 if ties else 1)
    return torch.cat([-ends, -points.flip(0), zero, points, ends])


def mean_of_groups(loss: torch.Tensor, element: torch.Tensor) -> torch.Tensor:
    """Mean over batch elements of the mean of `loss` (P,) over the comparisons of each; `element` (P,) counts from 0.

    So the K(K-1)/2 comparisons of a ranking weigh as much as one (Ouyang et al. 2022, section 3.5).
    """
    counts = torch.bincount(element)
    return (loss / counts[element]).sum() / len(counts)


def centring(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(first + second)^2 (P,): what keeps the mean score near 0 (Eisenstein et al. 2023, as in TRL)."""
    return (first + second) ** 2

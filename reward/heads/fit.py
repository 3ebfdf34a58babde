# SPDX-License-Identifier: Apache-2.0
"""The fit of linear heads to comparisons: Bradley-Terry with an L2 penalty, chosen by cross-validation over prompts.

An ensemble has randomised priors (Osband, Aslanides and Cassirer 2018, arXiv 1806.03335): the penalty pulls each head
to a random vector of its own instead of to 0. Where there are labels the heads agree; elsewhere they keep their priors,
so the spread of their scores says what is unknown. The priors have the variance 1 / penalty, by which the penalised fit
is the mode of the posterior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
"""The L2 penalties to choose from, for features of deviation 1."""
FOLDS = 5
STEPS = 200
"""Most steps of the optimizer; a fit converges in fewer."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """N comparisons: features (N, F) of the first answer less those of the second, labels of the first, and weights.

    A label is 0, 1 or, for a tie, 0.5. `scale` (F,) is the deviation of each feature over the answers.
    """

    differences: Tensor
    scale: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, first: Tensor, second: Tensor, labels: Tensor, weights: Tensor) -> Comparisons:
        """Return comparisons of answers with these features (N, F)."""
        return cls(first - second, feature_scale(torch.cat([first, second])), labels, weights)

    def take(self, rows: Sequence[int] | Tensor) -> Comparisons:
        """Return these rows."""
        return Comparisons(self.differences[rows], self.scale, self.labels[rows], self.weights[rows])


@dataclass(frozen=True, slots=True)
class FittedHeads:
    """Heads (K, F), whose product with features is a raw score, and the penalty.

    `held_out_loss` (nats) and `held_out_margins` (N,) are of each comparison by heads that did not see its prompt.
    """

    heads: Tensor
    penalty: float
    held_out_loss: float
    held_out_margins: Tensor


def fit_heads(data: Comparisons, prompts: Sequence[int], members: int = 1, seed: int = 0) -> FittedHeads:
    """Fit `members` heads. Comparisons of one prompt are in one fold; with one prompt alone the largest penalty holds.

    A single head has the prior mean 0.
    """
    penalty, margins = choose_penalty(data, prompts)
    width = len(data.scale)
    priors = no_prior(width) if members == 1 else random_priors(members, width, penalty, seed)
    return FittedHeads(
        fit_to_priors(data, penalty, priors), penalty, comparison_loss(margins, data.labels, data.weights), margins
    )


def choose_penalty(data: Comparisons, prompts: Sequence[int]) -> tuple[float, Tensor]:
    """Return the penalty that predicts held-out prompts best, and the held-out score differences (N,) by it."""
    differences = data.differences.double() / data.scale
    margins = {penalty: _held_out_margins(differences, data, prompts, penalty) for penalty in PENALTIES}
    losses = {penalty: comparison_loss(margins[penalty], data.labels, data.weights) for penalty in PENALTIES}
    penalty = min(reversed(PENALTIES), key=losses.__getitem__)
    return penalty, margins[penalty]


def no_prior(width: int) -> Tensor:
    """Return the prior mean 0 of a single head: (1, width)."""
    return torch.zeros(1, width, dtype=torch.float64)


def random_priors(members: int, width: int, penalty: float, seed: int) -> Tensor:
    """Return the priors (members, width) of an ensemble, of the variance 1 / penalty."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(members, width, generator=generator, dtype=torch.float64) / penalty**0.5


def fit_to_priors(data: Comparisons, penalty: float, priors: Tensor) -> Tensor:
    """Return the heads (K, F) that the penalty pulls to these priors (K, F), in the unit of the features."""
    heads = minimise(data.differences.double() / data.scale, data.labels, data.weights, penalty, priors)
    return (heads / data.scale).float()


def feature_scale(features: Tensor) -> Tensor:
    """Return the deviation (F,) of features (M, F), a little above 0."""
    return features.std(dim=0, correction=0).double() + 1e-6


def minimise(differences: Tensor, labels: Tensor, weights: Tensor, penalty: float, priors: Tensor) -> Tensor:
    """Return the heads (K, F) that minimise loss + penalty / 2 |head - prior|^2, each on its own.

    The loss is the sum over the comparisons of weight x cross-entropy of sigmoid(difference . head) with the label.
    """
    heads = priors.clone().requires_grad_()
    target = labels.double()[:, None].expand(-1, len(priors))
    optimizer = torch.optim.LBFGS([heads], max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        nats = binary_cross_entropy_with_logits(differences @ heads.T, target, reduction="none")
        loss = (weights.double() @ nats).sum() + penalty / 2 * (heads - priors).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return heads.detach()


def comparison_loss(margins: Tensor, labels: Tensor, weights: Tensor) -> float:
    """Return the weighted mean loss in nats of score differences (N,) as log-odds that the first answer is better."""
    nats = binary_cross_entropy_with_logits(margins.double(), labels.double(), reduction="none")
    return float((weights.double() * nats).sum() / weights.double().sum())


def _held_out_margins(differences: Tensor, data: Comparisons, prompts: Sequence[int], penalty: float) -> Tensor:
    """Return the score differences (N,) by heads that did not see the prompt; 0 if there is one prompt alone."""
    numbers = {prompt: number for number, prompt in enumerate(sorted(set(prompts)))}
    folds = torch.tensor([numbers[prompt] % FOLDS for prompt in prompts])
    margins = torch.zeros(len(differences), dtype=torch.float64)
    if len(numbers) < 2:
        return margins
    prior = no_prior(differences.shape[1])
    for fold in folds.unique():
        held_out, fitted = folds == fold, folds != fold
        head = minimise(differences[fitted], data.labels[fitted], data.weights[fitted], penalty, prior)
        margins[held_out] = differences[held_out] @ head[0]
    return margins

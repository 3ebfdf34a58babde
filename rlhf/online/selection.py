# SPDX-License-Identifier: Apache-2.0
"""The choice of the pair to ask about: the one on whose order an ensemble of reward models disagrees most.

The measure is the variance, over the members, of the probability that the first answer is preferred, as in Asghari et
al. 2026, "Efficient Exploration at Scale" (arXiv 2603.17378). Two answers of uncertain but equal value are not worth a
question; a variance of scores would ask about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

NEARLY = 0.9
"""Share of common words from which two answers count as nearly equal."""


class ChosenPair(NamedTuple):
    """Two rows of a table of answers, and the probability with which the rule drew them of their prompt's pairs."""

    first: int
    second: int
    probability: float


def choice_variance(scores: Tensor, first: Sequence[int], second: Sequence[int]) -> Tensor:
    """Return the variance (P,) over members of sigmoid(score difference) for pairs of columns of `scores` (K, N)."""
    chances = torch.sigmoid(scores[:, list(first)] - scores[:, list(second)])
    return chances.var(dim=0, correction=0)


def nearly_equal(a: str, b: str) -> bool:
    """Return whether two answers share nearly all words in their order; case does not count."""
    matcher = SequenceMatcher(None, a.lower().split(), b.lower().split(), autojunk=False)
    return matcher.real_quick_ratio() >= NEARLY and matcher.quick_ratio() >= NEARLY and matcher.ratio() >= NEARLY


def different_pairs(texts: Sequence[str], group: int) -> list[list[tuple[int, int]]]:
    """Return for each prompt the pairs of rows whose texts differ clearly.

    Each `group` texts in a row answer one prompt.
    """
    return [
        [
            (first, second)
            for first, second in combinations(range(start, min(start + group, len(texts))), 2)
            if not nearly_equal(texts[first], texts[second])
        ]
        for start in range(0, len(texts), group)
    ]


def most_disputed(scores: Tensor, candidates: Sequence[Sequence[tuple[int, int]]]) -> list[ChosenPair]:
    """Return all pairs in the order to ask them, by the variance over members that `scores` (K, N) give.

    `candidates` are the pairs of each prompt. Every prompt gives one pair before one gives two, and among equals the
    larger variance comes first. The rule leaves nothing to chance: each probability is 1.
    """
    ranked: list[tuple[int, float, int, int]] = []
    for pairs in candidates:
        if pairs:
            variances = choice_variance(scores, *zip(*pairs, strict=True)).tolist()
            best = sorted(zip(variances, pairs, strict=True), reverse=True)
            ranked += [(place, -variance, *pair) for place, (variance, pair) in enumerate(best)]
    return [ChosenPair(first, second, 1.0) for _, _, first, second in sorted(ranked)]


def random_pairs(candidates: Sequence[Sequence[tuple[int, int]]], generator: torch.Generator) -> list[ChosenPair]:
    """Return all pairs in a random order in which every prompt gives one pair before one gives two."""
    ranked: list[tuple[int, float, int, int, float]] = []
    for pairs in candidates:
        for place, number in enumerate(torch.randperm(len(pairs), generator=generator).tolist()):
            order = torch.rand((), generator=generator).item()
            ranked.append((place, order, *pairs[number], 1 / len(pairs)))
    return [ChosenPair(first, second, chance) for _, _, first, second, chance in sorted(ranked)]

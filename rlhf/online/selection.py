# SPDX-License-Identifier: Apache-2.0
"""The choice of the pair or ranking to ask about: the one on whose order an ensemble of reward models disagrees most.

The measure is the variance, over the members, of the probability that the first answer is preferred, as in Asghari et
al. 2026, "Efficient Exploration at Scale" (arXiv 2603.17378). Two answers of uncertain but equal value are not worth a
question; a variance of scores would ask about them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from data.tables.rankings import FEWEST

NEARLY = 0.9
"""Share of common words from which two answers count as nearly equal."""


class ChosenPair(NamedTuple):
    """Two rows of a table of answers, and the probability with which the rule drew them of their prompt's pairs."""

    first: int
    second: int
    probability: float


class ChosenRanking(NamedTuple):
    """Rows of a table of answers to one prompt, and the probability with which the rule drew them of its answers."""

    rows: tuple[int, ...]
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


def different_answers(texts: Sequence[str], group: int) -> list[list[int]]:
    """Return for each prompt the rows whose texts differ clearly from each other; of nearly equal ones the first.

    Each `group` texts in a row answer one prompt.
    """
    candidates: list[list[int]] = []
    for start in range(0, len(texts), group):
        rows: list[int] = []
        for row in range(start, min(start + group, len(texts))):
            if not any(nearly_equal(texts[row], texts[other]) for other in rows):
                rows.append(row)
        candidates.append(rows)
    return candidates


def random_rankings(candidates: Sequence[Sequence[int]], size: int, generator: torch.Generator) -> list[ChosenRanking]:
    """Return rankings of `size` answers in a random order in which every prompt gives one before one gives two.

    `candidates` are the answers to each prompt. An answer is in one ranking alone. A prompt with fewer answers gives
    one ranking of all of them, and none below three.
    """
    ranked: list[tuple[int, float, list[int], float]] = []
    for rows in candidates:
        count = min(size, len(rows))
        shuffled = [rows[number] for number in torch.randperm(len(rows), generator=generator).tolist()]
        for place in range(len(rows) // count if count >= FEWEST else 0):
            order = torch.rand((), generator=generator).item()
            chosen = shuffled[place * count : (place + 1) * count]
            ranked.append((place, order, chosen, 1 / math.comb(len(rows), count)))
    return [ChosenRanking(tuple(chosen), chance) for _, _, chosen, chance in sorted(ranked)]


def disputed_rankings(scores: Tensor, candidates: Sequence[Sequence[int]], size: int) -> list[ChosenRanking]:
    """Return rankings as `random_rankings`, each of the answers with the largest sum of the variances of its pairs.

    Among the first rankings of all prompts, and the second ones, the larger sum comes first. Each probability is 1.
    """
    ranked: list[tuple[int, float, list[int]]] = []
    for rows in candidates:
        rest, count, place = list(rows), min(size, len(rows)), 0
        while len(rest) >= count >= FEWEST:
            chosen, doubt = most_disputed_answers(scores, rest, count)
            ranked.append((place, -doubt, chosen))
            rest, place = [row for row in rest if row not in chosen], place + 1
    return [ChosenRanking(tuple(chosen), 1.0) for _, _, chosen in sorted(ranked)]


def most_disputed_answers(scores: Tensor, rows: Sequence[int], count: int) -> tuple[list[int], float]:
    """Return `count` of these rows with a large sum of the variances of their pairs, and the sum.

    The search is greedy: it begins with the most disputed pair and adds the answer that adds most, one by one.
    """
    size = len(rows)
    first, second = [row for row in rows for _ in rows], [row for _ in rows for row in rows]
    variances = choice_variance(scores, first, second).view(size, size)
    chosen = list(divmod(int((variances - torch.eye(size)).argmax()), size))
    while len(chosen) < count:
        gains = variances[chosen].sum(dim=0)
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
    return [rows[number] for number in chosen], variances[chosen][:, chosen].sum().item() / 2

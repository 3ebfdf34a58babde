# SPDX-License-Identifier: Apache-2.0
"""Figures of a policy: win rate, interval, distinct-n and collapse, as pure functions of scores and token ids.

`mine` and `theirs` are scores shaped (draws, prompts): one answer of each policy per prompt and draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from data.intervals import share_interval

TIE = 1e-9
COLLAPSE_KL = 10.0
COLLAPSE_UNENDED = 0.2


def win_outcomes(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return 1 if mine is better, 0 if worse, 0.5 if they differ by less than 1e-9, for each entry."""
    difference = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    return np.where(np.abs(difference) < TIE, 0.5, (difference > 0).astype(float))


def rate_with_interval(outcomes: np.ndarray) -> tuple[float, list[float]]:
    """Return the mean of `outcomes` (draws, prompts) and its 95 % interval over prompts."""
    by_prompt = np.asarray(outcomes, dtype=float).mean(axis=0)
    return float(by_prompt.mean()), list(share_interval(by_prompt))


def expected_win_rate(mine: np.ndarray, theirs: np.ndarray, beta: float) -> float:
    """Return the expected win rate of mine, each comparison won with chance sigmoid(beta (mine - theirs))."""
    difference = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    return float(np.mean(0.5 + 0.5 * np.tanh(beta * difference / 2)))


def within_prompt_std(gold: np.ndarray) -> float:
    """Return the pooled standard deviation of scores (draws, prompts) around their prompt's mean."""
    return float(np.sqrt(np.var(np.asarray(gold, dtype=float), axis=0, ddof=1).mean()))


def distinct_n(answers: Sequence[Sequence[int]], n: int = 2) -> float:
    """Return distinct token n-grams of all answers over all their n-grams (Li et al., 2016); 1 if there is none.

    It falls if answers repeat themselves or each other. It also falls with the number of answers, so compare only sets
    of equal size.
    """
    grams = [gram for ids in answers for gram in zip(*(ids[offset:] for offset in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 1.0


def best_of_n_kl(n: int) -> float:
    """Return the bound on the KL of best-of-n in nats: ln n - (n - 1) / n (Hilton and Gao, 2022)."""
    return math.log(n) - (n - 1) / n


def expected_best(scores: np.ndarray, count: int) -> float:
    """Return the mean over prompts of the expected highest of `count` scores.

    They are drawn without replacement from the n of a prompt; `scores` is (prompts, n).
    The i-th smallest of n is the highest of a draw in C(i - 1, count - 1) of C(n, count) cases.
    """
    ordered = np.sort(np.asarray(scores, dtype=float), axis=1)
    n = ordered.shape[1]
    weights = np.array([math.comb(place, count - 1) for place in range(n)]) / math.comb(n, count)
    return float((ordered @ weights).mean())


def is_collapsed(*, win_rate: float, kl: float, distinct_2: float, distinct_2_start: float, unended: float) -> bool:
    """Return whether over-optimisation destroyed a policy.

    True if the win rate is below one half, the KL is above 10 nats, distinct-2 is below half of the start's, or more
    than 20 % of the answers have no end.
    """
    return win_rate < 0.5 or kl > COLLAPSE_KL or distinct_2 < distinct_2_start / 2 or unended > COLLAPSE_UNENDED

"""The figures that are reported about a policy, as plain functions of gold scores and token ids.

Owns the meaning of the words win rate, interval, distinct-2 and collapsed; knows no model and no store.
Everywhere `mine` and `theirs` are gold scores shaped (draws, prompts): one answer of each policy per prompt and draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from data.intervals import bootstrap_mean

TIE = 1e-9
COLLAPSE_KL = 10.0
COLLAPSE_UNENDED = 0.2


def win_outcomes(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """1 where mine is better, 0 where worse, 0.5 where they differ by less than 1e-9; shaped like its inputs."""
    difference = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    return np.where(np.abs(difference) < TIE, 0.5, (difference > 0).astype(float))


def rate_with_interval(outcomes: np.ndarray, seed: int = 0) -> tuple[float, list[float]]:
    """The mean of `outcomes` (draws, prompts) and its 95 % interval: percentiles of a bootstrap over prompts."""
    by_prompt = np.asarray(outcomes, dtype=float).mean(axis=0)
    return float(by_prompt.mean()), list(bootstrap_mean(by_prompt, seed))


def expected_win_rate(mine: np.ndarray, theirs: np.ndarray, beta: float) -> float:
    """Share of comparisons that noisy labelers give to mine, each with the chance sigmoid(beta (mine - theirs)) (Bradley-Terry)."""
    difference = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    return float(np.mean(0.5 + 0.5 * np.tanh(beta * difference / 2)))


def within_prompt_std(gold: np.ndarray) -> float:
    """Standard deviation of the answers (draws, prompts) of one prompt around that prompt's mean, pooled; at least two draws."""
    return float(np.sqrt(np.var(np.asarray(gold, dtype=float), axis=0, ddof=1).mean()))


def distinct_n(answers: Sequence[Sequence[int]], n: int = 2) -> float:
    """Distinct token n-grams of all answers over all their n-grams (Li et al., 2016); 1 where there is none.

    Falls when an answer repeats itself and when every prompt gets the same answer. It also falls with the number
    of answers: compare only sets of equally many.
    """
    grams = [gram for ids in answers for gram in zip(*(ids[offset:] for offset in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 1.0


def best_of_n_kl(n: int) -> float:
    """Upper bound in nats on the KL of best-of-n from its policy: ln n - (n - 1) / n (Hilton and Gao, 2022)."""
    return math.log(n) - (n - 1) / n


def expected_best(scores: np.ndarray, count: int) -> float:
    """Mean over prompts of the expected highest of `count` scores drawn without replacement from each prompt's n; `scores` is (prompts, n).

    The i-th smallest of n is the highest of a draw in C(i - 1, count - 1) of C(n, count) cases.
    """
    ordered = np.sort(np.asarray(scores, dtype=float), axis=1)
    n = ordered.shape[1]
    weights = np.array([math.comb(place, count - 1) for place in range(n)]) / math.comb(n, count)
    return float((ordered @ weights).mean())


def is_collapsed(*, win_rate: float, kl: float, distinct_2: float, distinct_2_start: float, unended: float) -> bool:
    """A policy that was optimised to pieces.

    Win rate below one half, KL above 10 nats, distinct-2 below half of the start's, or more than 20 % of answers without an end.
    """
    return win_rate < 0.5 or kl > COLLAPSE_KL or distinct_2 < distinct_2_start / 2 or unended > COLLAPSE_UNENDED

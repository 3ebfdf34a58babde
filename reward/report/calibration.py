# SPDX-License-Identifier: Apache-2.0
"""Calibration of a reward model: reliability, ECE and temperature scaling, on log-odds and labels.

The model predicts that a is preferred with probability sigmoid(d), d the score of a minus the score of b. Each
comparison is turned toward the answer that the model prefers, so its confidence c = sigmoid(|d|) lies between 0.5 and 1.
The outcome is 1 if the labeler preferred that answer too, 0.5 for a tie, else 0. A model is calibrated if the mean
outcome of the comparisons with confidence c is c.

Temperature scaling divides every d by one number T > 0 that minimises the cross-entropy (Guo, Pleiss, Sun and
Weinberger, "On Calibration of Modern Neural Networks", 2017). It changes the confidence of the model, not the order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reward.report.documents import Bin
from reward.report.scored import SAME, SEED, ScoredComparison, share_by_prompt

BINS = 10
"""Bins of equal width from 0.5 to 1."""
FOLDS = 5
FEWEST = 20
"""The fewest comparisons of validation prompts on which a temperature is fitted."""
COLDEST, HOTTEST = 1e-3, 1e3
CALIBRATED_DRAWS = 500


def calibration_report(test: Sequence[ScoredComparison], validation: Sequence[ScoredComparison] = ()) -> dict[str, Any]:
    """Return reliability, ECE and loss of the test comparisons before and after temperature scaling, by report key.

    A comparison is never scaled by a temperature that was fitted on it; see `scaled`.
    """
    difference, label, prompts = columns(test)
    after, temperature, fitted_on = scaled(test, validation)
    bins = reliability(difference, label, prompts)
    figures = {
        "calibration": bins,
        "ece": expected_calibration_error(bins),
        "ece_if_calibrated": ece_if_calibrated(difference),
        "ece_bins": BINS,
        "temperature": temperature,
        "temperature_fitted_on": fitted_on,
        "calibration_scaled": None,
        "ece_scaled": None,
        "loss_scaled": None,
    }
    if after is None:
        return figures
    bins = reliability(after, label, prompts)
    return figures | {
        "calibration_scaled": bins,
        "ece_scaled": expected_calibration_error(bins),
        "loss_scaled": cross_entropy(after, label),
    }


def columns(rows: Sequence[ScoredComparison]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return score differences a - b, labels and prompt ids of comparisons, (N,) each."""
    return (
        np.array([row.difference for row in rows], float),
        np.array([row.label for row in rows], float),
        np.array([row.prompt_id for row in rows], int),
    )


def cross_entropy(difference: np.ndarray, label: np.ndarray) -> float:
    """Return the mean Bradley-Terry loss in nats; a coin flip has ln 2. A tie (0.5) counts half each way."""
    return float((label * np.logaddexp(0, -difference) + (1 - label) * np.logaddexp(0, difference)).mean())


def sigmoid(log_odds: np.ndarray | float) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(np.asarray(log_odds, float) / 2))


def fit_temperature(difference: np.ndarray, label: np.ndarray) -> float | None:
    """Return the T that minimises the cross-entropy of difference / T, None if it is not between 0.001 and 1000.

    There is none if the model orders no better than a coin flip (the minimum is at infinity), or if it makes no mistake
    (the minimum is at 0). The loss is convex in 1/T, so its slope, mean of (sigmoid(d/T) - label) d, is bisected.
    """
    difference, label = np.asarray(difference, float), np.asarray(label, float)

    def slope(inverse: float) -> float:
        return float(((sigmoid(inverse * difference) - label) * difference).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    if len(difference) == 0 or slope(low) >= 0 or slope(high) <= 0:
        return None
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / math.sqrt(low * high)


def scaled(
    test: Sequence[ScoredComparison], validation: Sequence[ScoredComparison] = ()
) -> tuple[np.ndarray | None, float | None, str]:
    """Return the test differences over a temperature, the temperature, and a text that names the data of the fit.

    With at least 20 comparisons of validation prompts, the temperature is fitted on them. Otherwise it is cross-fitted:
    the test prompts are split into 5 folds, and each fold is divided by the temperature of the other four. The
    temperature returned is then the folds' geometric mean. If no temperature fits, the first two values are None.
    """
    difference, label, prompts = columns(test)
    if len(validation) >= FEWEST:
        temperature = fit_temperature(*columns(validation)[:2])
        fitted_on = f"{len(validation)} comparisons of validation prompts"
        return (None if temperature is None else difference / temperature), temperature, fitted_on
    fold = folds(prompts)
    by_fold = [fit_temperature(difference[fold != k], label[fold != k]) for k in range(FOLDS)]
    temperatures = np.array([temperature for temperature in by_fold if temperature is not None])
    fitted_on = f"test prompts, cross-fitted in {FOLDS} folds: only {len(validation)} comparisons of validation prompts"
    if len(temperatures) < FOLDS:
        return None, None, fitted_on
    return difference / temperatures[fold], float(np.exp(np.log(temperatures).mean())), fitted_on


def folds(prompts: np.ndarray) -> np.ndarray:
    """Return the fold (0 to 4) of each comparison.

    Comparisons of one prompt share a fold. The numbers of prompts per fold differ by at most one.
    """
    distinct, index = np.unique(prompts, return_inverse=True)
    return (np.random.default_rng(SEED).permutation(len(distinct)) % FOLDS)[index]


def reliability(difference: np.ndarray, label: np.ndarray, prompts: np.ndarray) -> list[Bin]:
    """Return the bins of confidence that hold a comparison."""
    confidence = sigmoid(np.abs(difference))
    outcome = np.where(np.abs(difference) < SAME, 0.5, np.where(difference > 0, label, 1 - label))
    bins = _bin_numbers(confidence)
    return [_bin(k, confidence[bins == k], outcome[bins == k], prompts[bins == k]) for k in np.unique(bins)]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the ECE: the mean of |observed - predicted| over the bins, weighted by comparisons (Guo et al., 2017)."""
    weights = np.array([bin["comparisons"] for bin in bins], float)
    gaps = np.abs(np.array([bin["observed"] for bin in bins], float) - np.array([bin["predicted"] for bin in bins]))
    return float((weights * gaps).sum() / weights.sum())


def ece_if_calibrated(difference: np.ndarray) -> float:
    """Return the mean ECE of a perfectly calibrated model with these differences: the part that is due to chance.

    Labels are drawn with the model's own probabilities, 500 times.
    """
    confidence = sigmoid(np.abs(difference))
    bins = _bin_numbers(confidence)
    outcome = np.random.default_rng(SEED).random((CALIBRATED_DRAWS, len(confidence))) < confidence
    gaps = (outcome - confidence) @ np.eye(BINS)[bins]
    return float(np.abs(gaps).sum(axis=1).mean() / len(confidence))


def _bin_numbers(confidence: np.ndarray) -> np.ndarray:
    # A confidence on an edge belongs to the bin above, even if rounding puts it slightly below the edge.
    return np.minimum(((confidence - 0.5) * 2 * BINS + SAME).astype(int), BINS - 1)


def _bin(number: int, confidence: np.ndarray, outcome: np.ndarray, prompts: np.ndarray) -> Bin:
    observed, interval = share_by_prompt(outcome, prompts)
    return {
        "low": 0.5 + int(number) / (2 * BINS),
        "high": 0.5 + (int(number) + 1) / (2 * BINS),
        "predicted": float(confidence.mean()),
        "observed": observed,
        "ci": interval,
        "comparisons": len(confidence),
    }

# SPDX-License-Identifier: Apache-2.0
"""Calibration of a reward model: reliability, ECE and temperature scaling, on log-odds and labels.

The model says that a is preferred with probability sigmoid(d), d the score of a minus that of b. Each comparison is
seen from the side that the model prefers, so that its confidence c = sigmoid(|d|) lies between 0.5 and 1, and
the outcome is 1 where the labeler preferred that side too, 0.5 for a tie, 0. A model is calibrated where the mean
outcome of the comparisons with confidence c is c.

Temperature scaling divides every d by one number T > 0 that minimises the cross-entropy (Guo, Pleiss, Sun and
Weinberger, "On Calibration of Modern Neural Networks", 2017): it changes no order, only how sure the model is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reward.report.scored import SAME, SEED, ScoredComparison, share_by_prompt

BINS = 10
"""Of equal width from 0.5 to 1."""
FOLDS = 5
FEWEST = 20
"""Comparisons of validation prompts from which a temperature is fitted on them."""
COLDEST, HOTTEST = 1e-3, 1e3
CALIBRATED_DRAWS = 500


def calibration_report(test: Sequence[ScoredComparison], validation: Sequence[ScoredComparison] = ()) -> dict[str, Any]:
    """Reliability, ECE and loss of the test comparisons before and after temperature scaling, as the report's keys.

    The temperature is never fitted on what it is judged by: see `scaled`.
    """
    difference, label, prompts = columns(test)
    after, temperature, fitted_on = scaled(test, validation)
    bins = reliability(difference, label, prompts)
    found = {
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
        return found
    bins = reliability(after, label, prompts)
    return found | {
        "calibration_scaled": bins,
        "ece_scaled": expected_calibration_error(bins),
        "loss_scaled": cross_entropy(after, label),
    }


def columns(rows: Sequence[ScoredComparison]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score differences a - b, labels and prompt ids of comparisons, (N,) each."""
    return (
        np.array([each.difference for each in rows], float),
        np.array([each.label for each in rows], float),
        np.array([each.prompt_id for each in rows], int),
    )


def cross_entropy(difference: np.ndarray, label: np.ndarray) -> float:
    """Mean loss of Bradley-Terry in nats; ln 2 is that of a model which says nothing.

    A tie (0.5) counts half each way.
    """
    return float((label * np.logaddexp(0, -difference) + (1 - label) * np.logaddexp(0, difference)).mean())


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(np.asarray(log_odds, float) / 2))


def fit_temperature(difference: np.ndarray, label: np.ndarray) -> float | None:
    """Return the T > 0 that minimises the cross-entropy of difference / T.

    None if there is none between 0.001 and 1000.

    There is none where the model orders no better than a coin (the minimum lies at infinity), or where it makes no
    mistake at all (at 0). In 1/T the loss is convex: its slope, mean of (sigmoid(d/T) - label) d, is bisected.
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
    """Return the test differences over a temperature, that temperature, and on what it was fitted.

    None twice where none can be.

    On the comparisons of validation prompts where there are at least 20. Else by cross-fitting: the test prompts
    are dealt into 5 folds, and each fold is divided by the temperature of the other four; the one returned is the
    folds' geometric mean.
    """
    difference, label, prompts = columns(test)
    if len(validation) >= FEWEST:
        temperature = fit_temperature(*columns(validation)[:2])
        fitted_on = f"{len(validation)} comparisons of validation prompts"
        return (None if temperature is None else difference / temperature), temperature, fitted_on
    fold = folds(prompts)
    fitted = [fit_temperature(difference[fold != k], label[fold != k]) for k in range(FOLDS)]
    fitted_on = f"test prompts, cross-fitted in {FOLDS} folds: only {len(validation)} comparisons of validation prompts"
    if None in fitted:
        return None, None, fitted_on
    return difference / np.array(fitted)[fold], float(np.exp(np.log(fitted).mean())), fitted_on


def folds(prompts: np.ndarray) -> np.ndarray:
    """Return the fold (0 to 4) of each comparison.

    Those of one prompt share it, and folds have as many prompts, but for one.
    """
    distinct, place = np.unique(prompts, return_inverse=True)
    return (np.random.default_rng(SEED).permutation(len(distinct)) % FOLDS)[place]


def reliability(difference: np.ndarray, label: np.ndarray, prompts: np.ndarray) -> list[dict[str, Any]]:
    """One entry per bin of confidence with any comparison.

    Its edges, mean confidence, mean outcome with interval, number.
    """
    confidence = sigmoid(np.abs(difference))
    outcome = np.where(np.abs(difference) < SAME, 0.5, np.where(difference > 0, label, 1 - label))
    place = _bin_of(confidence)
    return [_bin(k, confidence[place == k], outcome[place == k], prompts[place == k]) for k in np.unique(place)]


def expected_calibration_error(bins: Sequence[dict[str, Any]]) -> float:
    """ECE: the mean of |observed - predicted| over the bins.

    Each with the weight of its comparisons (Guo et al., 2017).
    """
    weights = np.array([each["comparisons"] for each in bins], float)
    gaps = np.array([abs(each["observed"] - each["predicted"]) for each in bins])
    return float((weights * gaps).sum() / weights.sum())


def ece_if_calibrated(difference: np.ndarray) -> float:
    """Return the mean ECE of a perfectly calibrated model with these differences.

    What so few comparisons show by chance alone.

    Labels are drawn with the model's own probabilities, 500 times.
    """
    confidence = sigmoid(np.abs(difference))
    place = _bin_of(confidence)
    outcome = np.random.default_rng(SEED).random((CALIBRATED_DRAWS, len(confidence))) < confidence
    gaps = (outcome - confidence) @ np.eye(BINS)[place]
    return float(np.abs(gaps).sum(axis=1).mean() / len(confidence))


def _bin_of(confidence: np.ndarray) -> np.ndarray:
    # A confidence on an edge belongs above it, also where rounding puts it a hair below.
    return np.minimum(((confidence - 0.5) * 2 * BINS + SAME).astype(int), BINS - 1)


def _bin(number: int, confidence: np.ndarray, outcome: np.ndarray, prompts: np.ndarray) -> dict[str, Any]:
    observed, interval = share_by_prompt(outcome, prompts)
    return {
        "low": 0.5 + int(number) / (2 * BINS),
        "high": 0.5 + (int(number) + 1) / (2 * BINS),
        "predicted": float(confidence.mean()),
        "observed": observed,
        "ci": interval,
        "comparisons": len(confidence),
    }

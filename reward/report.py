"""How good a reward model is on test prompts: pure arithmetic on scores, labels and, where known, gold.

A comparison that people called a tie orders nothing: it counts in the loss, not in any accuracy. Equal scores count
half. Intervals are 95 % percentile bootstraps over prompts, since comparisons of one prompt are not independent.
Where there is no test label every figure is None and `note` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SAME = 1e-9
DRAWS, SEED = 2000, 0
BINS, CONFIDENCE_BINS, WORST = 30, 5, 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A labeled comparison of a test prompt and what the model says: raw scores, whose difference are log-odds.

    `label` is 1 where a is better, 0.5 for a tie, 0; `margin` 3, 2, 1 or 0; gold is None where no rubric knows the prompt.
    """

    prompt_id: int
    prompt: str
    a_text: str
    b_text: str
    a_score: float
    b_score: float
    label: float
    margin: int
    a_gold: float | None = None
    b_gold: float | None = None


@dataclass(frozen=True, slots=True)
class FitPair:
    """Two answers to one prompt that differ in task fit alone, by the model's scores of the fitting and the other one."""

    prompt_id: int
    fitting: float
    other: float


def build_report(judged: Sequence[Judged], fit_pairs: Sequence[FitPair] = (), agreement: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every figure of a reward model as JSON; `agreement` is what `labeling` measured between people on the same data."""
    decided = [each for each in judged if each.label != 0.5]
    report = {
        "test_comparisons": len(judged),
        "test_prompts": len({each.prompt_id for each in judged}),
        "ties": len(judged) - len(decided),
        "agreement": agreement,
        "chance_loss": math.log(2),
        **_accuracies(decided),
        **_fit(fit_pairs),
    }
    report["skill"] = skill(report["accuracy"], report["ceiling"])
    if not decided:
        return report | {"note": "no comparison of a test prompt yet: accuracy is not known"}
    return report | {
        "loss": _loss(judged),
        "by_margin": _by_margin(decided),
        "calibration": calibration(decided),
        "histogram": _histogram(decided),
        "length_correlation": _length_correlation(judged),
        "worst": _worst(decided),
    }


def ordered(first: np.ndarray, second: np.ndarray, label: np.ndarray) -> np.ndarray:
    """1 where (first, second) is ordered as `label` (1 or 0) says, 0.5 where they are equal, else 0."""
    difference = np.asarray(first, float) - np.asarray(second, float)
    sign = np.where(np.abs(difference) < SAME, 0.5, (difference > 0).astype(float))
    return np.where(np.asarray(label) == 1.0, sign, 1.0 - sign)


def share_by_prompt(right: Sequence[float], prompts: Sequence[int]) -> tuple[float, list[float]] | tuple[None, None]:
    """The mean of `right` and its 95 % interval over resampled prompts; (None, None) for nothing."""
    if len(right) == 0:
        return None, None
    _, place = np.unique(np.asarray(prompts), return_inverse=True)
    sums, counts = np.bincount(place, weights=right), np.bincount(place)
    chance = np.random.default_rng(SEED)
    drawn = chance.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), [2.5, 97.5])
    return float(sums.sum() / counts.sum()), [float(low), float(high)]


def skill(accuracy: float | None, ceiling: float | None) -> float | None:
    """(accuracy - 0.5) / (ceiling - 0.5): 0 is a coin, 1 orders as well as gold does on the same noisy labels."""
    if accuracy is None or ceiling is None or abs(ceiling - 0.5) < SAME:
        return None
    return (accuracy - 0.5) / (ceiling - 0.5)


def calibration(decided: Sequence[Judged]) -> list[dict[str, float]]:
    """Predicted probability of the side the model prefers, in equal bins from 0.5 to 1, beside how often labels agree."""
    difference = np.array([each.a_score - each.b_score for each in decided])
    confidence = 1 / (1 + np.exp(-np.abs(difference)))
    right = _right(decided, lambda e: (e.a_score, e.b_score))
    place = np.minimum(((confidence - 0.5) * 2 * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    bins = []
    for number in range(CONFIDENCE_BINS):
        inside = place == number
        if inside.any():
            bins.append(
                {
                    "predicted": float(confidence[inside].mean()),
                    "observed": float(right[inside].mean()),
                    "comparisons": int(inside.sum()),
                }
            )
    return bins


def _accuracies(decided: Sequence[Judged]) -> dict[str, Any]:
    known = [each for each in decided if each.a_gold is not None and each.b_gold is not None]
    accuracy, interval = _accuracy(decided, lambda e: (e.a_score, e.b_score))
    gold_rows = [each for each in known if abs(each.a_gold - each.b_gold) >= SAME]
    agrees = ordered(
        np.array([e.a_score for e in gold_rows]),
        np.array([e.b_score for e in gold_rows]),
        np.array([float(e.a_gold > e.b_gold) for e in gold_rows]),
    )
    gold_accuracy, gold_interval = share_by_prompt(agrees, [e.prompt_id for e in gold_rows])
    return {
        "accuracy": accuracy,
        "ci": interval,
        "ceiling": _accuracy(known, lambda e: (e.a_gold, e.b_gold))[0] if len(known) == len(decided) else None,
        "length_baseline": _accuracy(decided, lambda e: (len(e.a_text), len(e.b_text)))[0],
        "gold_accuracy": gold_accuracy,
        "gold_ci": gold_interval,
    }


def _right(decided: Sequence[Judged], values: Callable[[Judged], tuple[float, float]]) -> np.ndarray:
    pairs = np.array([values(each) for each in decided], dtype=float).reshape(-1, 2)
    return ordered(pairs[:, 0], pairs[:, 1], np.array([each.label for each in decided]))


def _accuracy(decided: Sequence[Judged], values: Callable[[Judged], tuple[float, float]]) -> tuple[float, list[float]] | tuple[None, None]:
    return share_by_prompt(_right(decided, values), [each.prompt_id for each in decided])


def _fit(pairs: Sequence[FitPair]) -> dict[str, Any]:
    right = ordered(np.array([p.fitting for p in pairs]), np.array([p.other for p in pairs]), np.ones(len(pairs)))
    accuracy, interval = share_by_prompt(right, [pair.prompt_id for pair in pairs])
    return {"fit_accuracy": accuracy, "fit_ci": interval, "fit_pairs": len(pairs)}


def _loss(judged: Sequence[Judged]) -> float:
    """Mean cross-entropy of Bradley-Terry on the labels; ln 2 is what a model that says nothing has."""
    difference = np.array([each.a_score - each.b_score for each in judged])
    label = np.array([each.label for each in judged])
    return float((label * np.logaddexp(0, -difference) + (1 - label) * np.logaddexp(0, difference)).mean())


def _by_margin(decided: Sequence[Judged]) -> list[dict[str, Any]]:
    found = []
    for margin in sorted({each.margin for each in decided}):
        rows = [each for each in decided if each.margin == margin]
        accuracy, interval = _accuracy(rows, lambda e: (e.a_score, e.b_score))
        found.append({"margin": margin, "comparisons": len(rows), "accuracy": accuracy, "ci": interval})
    return found


def _histogram(decided: Sequence[Judged]) -> dict[str, list[float]]:
    """Raw scores of the preferred and of the other answers, in shared bins."""
    chosen = [each.a_score if each.label == 1.0 else each.b_score for each in decided]
    rejected = [each.b_score if each.label == 1.0 else each.a_score for each in decided]
    edges = np.histogram_bin_edges([*chosen, *rejected], bins=BINS)
    counts = [np.histogram(scores, bins=edges)[0].tolist() for scores in (chosen, rejected)]
    return {"edges": edges.tolist(), "chosen": counts[0], "rejected": counts[1]}


def _length_correlation(judged: Sequence[Judged]) -> float | None:
    """Correlation of score and length in characters over the distinct answers; None where one does not vary."""
    answers = {(e.prompt_id, t): s for e in judged for t, s in ((e.a_text, e.a_score), (e.b_text, e.b_score))}
    lengths, scores = np.array([len(text) for _, text in answers]), np.array(list(answers.values()))
    if lengths.std() < SAME or scores.std() < SAME:
        return None
    return float(np.corrcoef(lengths, scores)[0, 1])


def _worst(decided: Sequence[Judged]) -> list[dict[str, Any]]:
    """The comparisons where the model is surest of the other side, as texts."""
    wrong = [(e.b_score - e.a_score) * (1 if e.label == 1.0 else -1) for e in decided]
    order = sorted(range(len(decided)), key=lambda number: -wrong[number])[:WORST]
    return [_texts(decided[number], wrong[number]) for number in order if wrong[number] > 0]


def _texts(each: Judged, difference: float) -> dict[str, Any]:
    preferred, other = (each.a_text, each.b_text) if each.label == 1.0 else (each.b_text, each.a_text)
    return {
        "prompt": each.prompt,
        "preferred": preferred,
        "model_prefers": other,
        "margin": each.margin,
        "difference": round(float(difference), 3),
    }

# SPDX-License-Identifier: Apache-2.0
"""Accuracy of a reward model on test prompts: pure arithmetic on scores, labels and, where known, gold.

A comparison that people called a tie orders nothing: it counts half in `accuracy_ties_half` and in the loss, and
not at all in the other accuracies. Equal scores count half everywhere. Intervals are 95 % percentile bootstraps
over prompts, since comparisons of one prompt are not independent. Where there is no test label every figure is None
and `note` says so. docs/reward.md lists the keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward.report.calibration import calibration_report, columns, cross_entropy, sigmoid
from reward.report.groups import by_labeler, by_margin, by_winner_side, correlations, leanings
from reward.report.learning_curve import highest_accuracy
from reward.report.scored import SAME, FitPair, ScoredComparison, above, accuracy, by_score, share_by_prompt

HISTOGRAM_BINS, WORST = 30, 20


def build_report(
    judged: Sequence[ScoredComparison],
    fit_pairs: Sequence[FitPair] = (),
    agreement: dict[str, Any] | None = None,
    validation: Sequence[ScoredComparison] = (),
) -> dict[str, Any]:
    """Every figure of a reward model as JSON.

    `agreement` is what `labeling` measured between people on the same data; on `validation`, comparisons of validation
    prompts, the temperature is fitted.
    """
    decided = [each for each in judged if each.label != 0.5]
    report = {
        "test_comparisons": len(judged),
        "test_prompts": len({each.prompt_id for each in judged}),
        "ties": len(judged) - len(decided),
        "agreement": agreement,
        "reachable": reachable(agreement),
        "chance_loss": math.log(2),
        **_accuracies(judged, decided),
        **_fit(fit_pairs),
    }
    report["skill"] = skill(report["accuracy"], report["ceiling"])
    if not decided:
        return report | {"note": "no comparison of a test prompt yet: accuracy is not known"}
    return report | {
        "loss": cross_entropy(*columns(judged)[:2]),
        "by_margin": by_margin(judged),
        "by_labeler": by_labeler(decided),
        "by_winner_side": by_winner_side(decided),
        **calibration_report(judged, validation),
        "histogram": _histogram(decided),
        **correlations(judged),
        "leanings": leanings(decided),
        "worst": _worst(decided),
    }


def skill(accuracy: float | None, ceiling: float | None) -> float | None:
    """(accuracy - 0.5) / (ceiling - 0.5): 0 is a coin, 1 orders as well as gold does on the same noisy labels."""
    if accuracy is None or ceiling is None or abs(ceiling - 0.5) < SAME:
        return None
    return (accuracy - 0.5) / (ceiling - 0.5)


def reachable(agreement: dict[str, Any] | None) -> list[float] | None:
    """Between which accuracies the best possible model lies, as labelers agree with each other.

    None if that is not known.
    """
    if not agreement or agreement.get("rate") is None:
        return None
    return [agreement["rate"], highest_accuracy(agreement["rate"])]


def highest_reachable(report: dict[str, Any]) -> float:
    """Return what bounds a forecast: gold's own accuracy.

    Else the most that labelers' agreement allows at its upper limit, else 1.
    """
    if report["ceiling"] is not None:
        return report["ceiling"]
    return highest_accuracy(report["agreement"]["ci"][1]) if report["reachable"] else 1.0


def _accuracies(judged: Sequence[ScoredComparison], decided: Sequence[ScoredComparison]) -> dict[str, Any]:
    known = [each for each in decided if each.a_gold is not None and each.b_gold is not None]
    share, interval = accuracy(decided)
    share_half, interval_half = accuracy(judged)
    gold_rows = [each for each in known if abs(each.a_gold - each.b_gold) >= SAME]
    gold_accuracy, gold_interval = accuracy(
        [replace(each, label=float(each.a_gold > each.b_gold)) for each in gold_rows]
    )
    return {
        "accuracy": share,
        "ci": interval,
        "accuracy_ties_half": share_half,
        "ci_ties_half": interval_half,
        "ceiling": accuracy(known, lambda e: (e.a_gold, e.b_gold))[0] if len(known) == len(decided) else None,
        "length_baseline": accuracy(decided, lambda e: (len(e.a_text), len(e.b_text)))[0],
        "gold_accuracy": gold_accuracy,
        "gold_ci": gold_interval,
    }


def _fit(pairs: Sequence[FitPair]) -> dict[str, Any]:
    outcomes = above(np.array([p.fitting for p in pairs]), np.array([p.other for p in pairs]))
    share, interval = share_by_prompt(outcomes, [pair.prompt_id for pair in pairs])
    return {"fit_accuracy": share, "fit_ci": interval, "fit_pairs": len(pairs)}


def _histogram(decided: Sequence[ScoredComparison]) -> dict[str, list[float]]:
    """Raw scores of the preferred and of the other answers, in shared bins."""
    chosen, rejected = zip(*(by_score(e) if e.label == 1.0 else by_score(e)[::-1] for e in decided), strict=True)
    edges = np.histogram_bin_edges([*chosen, *rejected], bins=HISTOGRAM_BINS)
    counts = [np.histogram(scores, bins=edges)[0].tolist() for scores in (chosen, rejected)]
    return {"edges": edges.tolist(), "chosen": counts[0], "rejected": counts[1]}


def _worst(decided: Sequence[ScoredComparison]) -> list[dict[str, Any]]:
    """Return the comparisons where the model is surest of the other side, as texts."""
    wrong = [(e.b_score - e.a_score) * (1 if e.label == 1.0 else -1) for e in decided]
    order = sorted(range(len(decided)), key=lambda number: -wrong[number])[:WORST]
    return [_disagreement(decided[number], wrong[number]) for number in order if wrong[number] > SAME]


def _disagreement(each: ScoredComparison, difference: float) -> dict[str, Any]:
    a, b = (each.a_text, each.a_score), (each.b_text, each.b_score)
    (preferred, its_score), (other, other_score) = (a, b) if each.label == 1.0 else (b, a)
    return {
        "prompt": each.prompt,
        "preferred": preferred,
        "preferred_score": round(its_score, 3),
        "model_prefers": other,
        "model_prefers_score": round(other_score, 3),
        "margin": each.margin,
        "difference": round(float(difference), 3),
        "confidence": round(float(sigmoid(difference)), 4),
        "labeler": each.labeler,
        "comparison": each.comparison_id,
    }

# SPDX-License-Identifier: Apache-2.0
"""A reward model's figures by group (how sure the labeler was, who it was, which side won) and by what it leans to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reward.report.scored import SAME, ScoredComparison, above, accuracy, right, share_by_prompt

MARGINS = {1: "slightly", 2: "clearly", 3: "significantly"}
LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
"""A line that starts as an item of a list does."""
Feature = Callable[[str], float]


def group(rows: Sequence[ScoredComparison]) -> dict[str, Any]:
    """Comparisons, prompts, and the accuracy with its interval."""
    share, interval = accuracy(rows)
    return {
        "comparisons": len(rows),
        "prompts": len({each.prompt_id for each in rows}),
        "accuracy": share,
        "ci": interval,
    }


def by_margin(rows: Sequence[ScoredComparison]) -> list[dict[str, Any]]:
    """Return a group for each strength of preference that occurs, from slight to significant.

    Ties belong to none.
    """
    found = sorted({each.margin for each in rows if each.label != 0.5})
    return [
        {"margin": m, "name": MARGINS.get(m, str(m)), **group([e for e in rows if e.margin == m and e.label != 0.5])}
        for m in found
    ]


def by_labeler(decided: Sequence[ScoredComparison]) -> list[dict[str, Any]]:
    """Return a group for each labeler, by pseudonym; the one with most comparisons first."""
    names = sorted({each.labeler for each in decided if each.labeler})
    groups = [{"labeler": name, **group([each for each in decided if each.labeler == name])} for name in names]
    return sorted(groups, key=lambda one: -one["comparisons"])


def by_winner_side(decided: Sequence[ScoredComparison]) -> list[dict[str, Any]]:
    """Return a group for each side on which the preferred answer stood."""
    sides = (("left", 1.0), ("right", 0.0))
    return [{"side": side, **group([each for each in decided if each.label == label])} for side, label in sides]


def uses_list(text: str) -> float:
    """1 for an answer with a line that starts with a dash, a star, a bullet or a number with a dot or bracket.

    Else 0.
    """
    return float(bool(LIST_LINE.search(text)))


def correlations(judged: Sequence[ScoredComparison]) -> dict[str, float | None]:
    """Correlation of score and length (characters), of score and list use over distinct answers.

    Of score and side as shown.

    None if one of the two does not vary. `_within_prompt` takes each prompt's mean out of both first: longer
    answers to prompts that ask for more are not a leaning.
    """
    answers = {(e.prompt_id, t): s for e in judged for t, s in ((e.a_text, e.a_score), (e.b_text, e.b_score))}
    prompts, scores = np.array([prompt for prompt, _ in answers]), np.array(list(answers.values()), float)
    found: dict[str, float | None] = {}
    for name, feature in (("length", len), ("list", uses_list)):
        values = np.array([feature(text) for _, text in answers], float)
        found[f"{name}_correlation"] = correlation(values, scores)
        found[f"{name}_correlation_within_prompt"] = correlation(_centred(values, prompts), _centred(scores, prompts))
    shown = np.array([(e.a_score, e.b_score) for e in judged], float)
    return found | {"side_correlation": correlation(np.tile([1.0, 0.0], len(shown)), shown.ravel())}


def correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Pearson's; None where one does not vary."""
    if one.std() < SAME or other.std() < SAME:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def leanings(decided: Sequence[ScoredComparison]) -> list[dict[str, Any]]:
    """Return how often labelers and model prefer the longer answer, the one with a list, the left one.

    Where the two differ in that.
    """
    features = (
        ("longer", lambda e: (len(e.a_text), len(e.b_text))),
        ("list", lambda e: (uses_list(e.a_text), uses_list(e.b_text))),
    )
    return [_leaning(name, values, decided) for name, values in (*features, ("left", lambda e: (1.0, 0.0)))]


def _leaning(
    name: str, values: Callable[[ScoredComparison], tuple[float, float]], decided: Sequence[ScoredComparison]
) -> dict[str, Any]:
    rows = [each for each in decided if abs(values(each)[0] - values(each)[1]) >= SAME]
    prompts = [each.prompt_id for each in rows]
    more = np.array([values(each)[0] > values(each)[1] for each in rows], bool)
    model_a = above(np.array([e.a_score for e in rows]), np.array([e.b_score for e in rows]))
    people, people_ci = share_by_prompt(right(rows, values), prompts)
    model, model_ci = share_by_prompt(np.where(more, model_a, 1 - model_a), prompts)
    return {
        "prefers": name,
        "comparisons": len(rows),
        "labelers": people,
        "labelers_ci": people_ci,
        "model": model,
        "model_ci": model_ci,
    }


def _centred(values: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(prompts, return_inverse=True, return_counts=True)
    return values - (np.bincount(place, weights=values) / counts)[place]

# SPDX-License-Identifier: Apache-2.0
"""A reward model's accuracy by group (margin, labeler, side of the better answer), and its biases by feature."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from reward.report.documents import Bias, Group, LabelerGroup, MarginGroup, SideGroup
from reward.report.scored import SAME, ScoredComparison, above, accuracy, by_score, right, share_by_prompt

MARGINS = {1: "slightly", 2: "clearly", 3: "significantly"}
LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
"""A line that starts like an item of a list."""


def group(rows: Sequence[ScoredComparison]) -> Group:
    """Count comparisons and prompts, and measure the accuracy with its interval."""
    share, interval = accuracy(rows)
    return {
        "comparisons": len(rows),
        "prompts": len({row.prompt_id for row in rows}),
        "accuracy": share,
        "ci": interval,
    }


def by_margin(rows: Sequence[ScoredComparison]) -> list[MarginGroup]:
    """Return a group for each strength of preference that occurs, from slight to significant, without ties."""
    decided = [row for row in rows if row.label != 0.5]
    return [
        {
            "margin": margin,
            "name": MARGINS.get(margin, str(margin)),
            **group([r for r in decided if r.margin == margin]),
        }
        for margin in sorted({row.margin for row in decided})
    ]


def by_labeler(decided: Sequence[ScoredComparison]) -> list[LabelerGroup]:
    """Return a group for each labeler, by pseudonym; the one with most comparisons first."""
    groups: list[LabelerGroup] = [
        {"labeler": name, **group([row for row in decided if row.labeler == name])}
        for name in sorted({row.labeler for row in decided if row.labeler})
    ]
    return sorted(groups, key=lambda labeler: -labeler["comparisons"])


def by_winner_side(decided: Sequence[ScoredComparison]) -> list[SideGroup]:
    """Return a group for each side on which the better answer was shown."""
    sides = (("left", 1.0), ("right", 0.0))
    return [{"side": side, **group([row for row in decided if row.label == label])} for side, label in sides]


def uses_list(text: str) -> float:
    """Return 1 if a line of the text starts like a list item (a bullet, or a number with a dot or bracket), else 0."""
    return float(bool(LIST_LINE.search(text)))


def correlations(comparisons: Sequence[ScoredComparison]) -> dict[str, float | None]:
    """Return the correlations of the score with length (characters), list use and side, by report key.

    Length and list use count each distinct answer once. A correlation is None if one of its values does not vary.
    `_within_prompt` first subtracts each prompt's mean from both values: longer answers to prompts that ask for more
    are not a bias.
    """
    answers = {(row.prompt_id, row.a_text): row.a_score for row in comparisons}
    answers |= {(row.prompt_id, row.b_text): row.b_score for row in comparisons}
    prompts, scores = np.array([prompt for prompt, _ in answers]), np.array(list(answers.values()), float)
    by_key: dict[str, float | None] = {}
    for name, feature in (("length", len), ("list", uses_list)):
        values = np.array([feature(text) for _, text in answers], float)
        by_key[f"{name}_correlation"] = correlation(values, scores)
        by_key[f"{name}_correlation_within_prompt"] = correlation(_centred(values, prompts), _centred(scores, prompts))
    shown = np.array([by_score(row) for row in comparisons], float)
    return by_key | {"side_correlation": correlation(np.tile([1.0, 0.0], len(shown)), shown.ravel())}


def correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return Pearson's correlation, None if one of the two does not vary."""
    if first.std() < SAME or second.std() < SAME:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def feature_biases(decided: Sequence[ScoredComparison]) -> list[Bias]:
    """Measure how often labelers and model prefer the longer answer, the one with a list, and the left one.

    Each bias is measured on the comparisons whose answers differ in the feature.
    """
    return [
        _bias("longer", lambda row: (len(row.a_text), len(row.b_text)), decided),
        _bias("list", lambda row: (uses_list(row.a_text), uses_list(row.b_text)), decided),
        _bias("left", lambda row: (1.0, 0.0), decided),
    ]


def _bias(
    name: str, values: Callable[[ScoredComparison], tuple[float, float]], decided: Sequence[ScoredComparison]
) -> Bias:
    rows = [row for row in decided if abs(values(row)[0] - values(row)[1]) >= SAME]
    prompts = [row.prompt_id for row in rows]
    a_has_more = np.array([values(row)[0] > values(row)[1] for row in rows], bool)
    model_prefers_a = above(np.array([row.a_score for row in rows]), np.array([row.b_score for row in rows]))
    labelers, labelers_ci = share_by_prompt(right(rows, values), prompts)
    model, model_ci = share_by_prompt(np.where(a_has_more, model_prefers_a, 1 - model_prefers_a), prompts)
    return {
        "prefers": name,
        "comparisons": len(rows),
        "labelers": labelers,
        "labelers_ci": labelers_ci,
        "model": model,
        "model_ci": model_ci,
    }


def _centred(values: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Return the values minus the mean of their prompt."""
    _, index, counts = np.unique(prompts, return_inverse=True, return_counts=True)
    return values - (np.bincount(index, weights=values) / counts)[index]

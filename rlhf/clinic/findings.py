# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the quality model: against held-out ratings, and against the rows' marked defects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from data.intervals import wilson_interval


def score_against_ratings(held_out: np.ndarray, scores: np.ndarray, usable: float) -> dict:
    """Compare predictions with held-out ratings (R,).

    Returns the share on the same side of `usable`, the share of the more common side as a baseline, the rank
    correlation and the mean absolute error.
    """
    right = (held_out >= usable) == (scores >= usable)
    share = float((scores >= usable).mean())
    correlation = spearmanr(held_out, scores).statistic if np.ptp(held_out) and np.ptp(scores) else 0.0
    return {
        "accuracy": float(right.mean()),
        "ci": list(wilson_interval(right.sum(), len(right))),
        "rows": len(right),
        "baseline": max(share, 1 - share),
        "spearman": float(correlation),
        "error": float(np.abs(held_out - scores).mean()),
    }


def score_against_defects(quality: np.ndarray, defects: Sequence[Sequence[str]], limit: float) -> dict | None:
    """Compare the quality (N,) of rows with their marked defects; return None if no defect is marked.

    Rows below `limit` are dropped. `auc`: rows with each kind of defect against rows without any; `alone`: the same for
    rows with only that defect. `precision`: share of dropped rows that have a defect; `recall`: share of rows with a
    defect that are dropped.
    """
    marked = np.array([bool(names) for names in defects])
    kinds = sorted({name for names in defects for name in names})
    if not kinds or marked.all():
        return None
    clean, dropped = ~marked, quality < limit
    auc = {kind: _auc(quality, clean, np.array([kind in names for names in defects])) for kind in kinds}
    alone = {kind: _auc(quality, clean, np.array([list(names) == [kind] for names in defects])) for kind in kinds}
    return {
        "rows": len(quality),
        "defective": float(marked.mean()),
        "auc": auc,
        "macro_auc": float(np.mean(list(auc.values()))),
        "alone": alone,
        "precision": float(marked[dropped].mean()) if dropped.any() else None,
        "recall": float(dropped[marked].mean()),
        "kept_defective": float(marked[~dropped].mean()) if (~dropped).any() else None,
    }


def rater_agreement(scores_by_row: Sequence[Sequence[int]], usable: float) -> dict:
    """Return how many rows have two ratings, and how often the two lie on the same side of `usable`."""
    several = np.array([scores[:2] for scores in scores_by_row if len(scores) > 1])
    if not len(several):
        return {"rows": 0, "rate": None}
    same = (several[:, 0] >= usable) == (several[:, 1] >= usable)
    return {"rows": len(several), "rate": float(same.mean()), "ci": list(wilson_interval(same.sum(), len(same)))}


def rater_agreement_by_source(scores_by_row: Sequence[Sequence[tuple[str, int]]], usable: float) -> dict[str, dict]:
    """Return `rater_agreement` for each source of (source, score) ratings.

    People and simulated raters are never mixed.
    """
    sources = sorted({source for scores in scores_by_row for source, _ in scores})
    return {
        source: rater_agreement(
            [[score for rater, score in scores if rater == source] for scores in scores_by_row], usable
        )
        for source in sources
    }


def _auc(quality: np.ndarray, clean: np.ndarray, bad: np.ndarray) -> float | None:
    """Return the chance that a clean row has more quality than a bad one; None without a bad one."""
    if not bad.any():
        return None
    return float(roc_auc_score(clean[clean | bad], quality[clean | bad]))

# SPDX-License-Identifier: Apache-2.0
"""Choice of training rows: by quality, without near-duplicates, and as diverse as possible."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.errors import BadInput
from data.selection.centres import k_centre


@dataclass(frozen=True, slots=True)
class Selection:
    """Positions of the chosen rows in the order of choice, and the number of the others by reason."""

    places: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)


def choose_rows(
    vectors: np.ndarray,
    *,
    rows: int,
    quality: np.ndarray | None = None,
    min_quality: float = 0.0,
    group: np.ndarray | None = None,
) -> Selection:
    """Choose at most `rows` rows (0: all that pass) of `vectors` (N, D).

    1. Rows pass with a `quality` (N,) of at least `min_quality`. 2. Of each near-duplicate `group` (N,) the best row
    remains, or the first. 3. k-centre chooses from the rest. Raises BadInput if no row passes.
    """
    passing = np.ones(len(vectors), dtype=bool) if quality is None else quality >= min_quality
    if not passing.any():
        key, best = ("quality_none", 0.0) if quality is None else ("quality_best", quality.max())
        raise BadInput.of(f"error.{key}", least=min_quality, best=best, field="min_quality")
    best_rows = _best_of_groups(np.flatnonzero(passing), group, quality)
    left_out = {"below the quality": int((~passing).sum()), "near-duplicates": int(passing.sum()) - len(best_rows)}
    if not rows or rows >= len(best_rows):
        return Selection(best_rows, left_out)
    places = best_rows[k_centre(vectors[best_rows], rows).chosen]
    return Selection(places, left_out | {"near to a chosen one": len(best_rows) - len(places)})


def _best_of_groups(places: np.ndarray, group: np.ndarray | None, quality: np.ndarray | None) -> np.ndarray:
    if group is None:
        return places
    order = places if quality is None else places[np.argsort(-quality[places], kind="stable")]
    _, first = np.unique(group[order], return_index=True)
    return np.sort(order[first])

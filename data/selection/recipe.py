"""A recipe: which rows to train on, by quality, without near-duplicates, and as different from each other as they can be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.errors import BadInput
from data.selection.centres import k_centre


@dataclass(frozen=True, slots=True)
class Selection:
    """Positions of the chosen rows in the order in which they were chosen, and how many were left out for which reason."""

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
    """At most `rows` rows (0: all that pass) of `vectors` (N, D).

    1. those whose `quality` (N,) is at least `min_quality`; 2. of each near-duplicate `group` (N,) the best, or the first; 3. of what is
    left k-centre. Raises BadInput where nothing passes.
    """
    passing = np.ones(len(vectors), dtype=bool) if quality is None else quality >= min_quality
    if not passing.any():
        best = "" if quality is None else f": the best row has {quality.max():.2f}"
        raise BadInput(f"no row has a quality of {min_quality:g}{best}", "Ask for less.", field="min_quality")
    kept = _best_of_groups(np.flatnonzero(passing), group, quality)
    left_out = {"below the quality": int((~passing).sum()), "near-duplicates": int(passing.sum()) - len(kept)}
    if not rows or rows >= len(kept):
        return Selection(kept, left_out)
    places = kept[k_centre(vectors[kept], rows).chosen]
    return Selection(places, left_out | {"near to a chosen one": len(kept) - len(places)})


def _best_of_groups(places: np.ndarray, group: np.ndarray | None, quality: np.ndarray | None) -> np.ndarray:
    if group is None:
        return places
    order = places if quality is None else places[np.argsort(-quality[places], kind="stable")]
    _, first = np.unique(group[order], return_index=True)
    return np.sort(order[first])

"""A diverse subset: k-centre by farthest-point traversal, and how well any subset covers the rows it was taken from.

Greedy farthest-point traversal (Gonzalez 1985) covers every row within twice the smallest radius that k centres can have. The
order is the answer too: its first k rows are the traversal for k, so subsets of growing size are nested.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data.errors import BadInput

CANDIDATES = 1024
"""Rows among which the next centres are looked for before all rows are looked at again."""
BLOCK = 4096


class Centres(NamedTuple):
    """Positions in the order in which they were chosen, and each one's distance to those before it (the first: infinite)."""

    chosen: np.ndarray
    reached: np.ndarray


def k_centre(vectors: np.ndarray, k: int, first: int | None = None) -> Centres:
    """The k rows of `vectors` (N, D) by exact farthest-point traversal in Euclidean distance, begun at `first` or at the row nearest the mean.

    All rows are compared with many new centres in one product. Distances to the nearest centre only fall, so while a candidate is still
    farther away than every row outside the candidates was, it is the farthest of all: the order is that of taking one at a time.
    Raises BadInput unless 1 <= k <= N.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if not 1 <= k <= len(vectors):
        raise BadInput(
            f"{k} of {len(vectors)} rows cannot be chosen",
            "Ask for at least 1 and at most as many as there are.",
            field="rows",
        )
    squares = np.einsum("nd,nd->n", vectors, vectors)
    start = _central(vectors, squares) if first is None else first
    chosen, reached = [start], [np.inf]
    nearest = _squared(vectors, squares, [start])[:, 0]
    nearest[start] = -1.0
    while len(chosen) < k:
        found, distances = _among_farthest(vectors, squares, nearest, k - len(chosen))
        np.minimum(nearest, _squared(vectors, squares, found).min(axis=1), out=nearest)
        chosen += found
        reached += distances
        nearest[found] = -1.0
    return Centres(np.array(chosen), np.sqrt(np.maximum(np.array(reached), 0.0)))


def coverage(vectors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Each row's Euclidean distance (N,) to the nearest of the chosen rows of `vectors` (N, D)."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    squares = np.einsum("nd,nd->n", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, dtype=np.float32)
    for start in range(0, len(chosen), CANDIDATES):
        part = list(chosen[start : start + CANDIDATES])
        np.minimum(nearest, _squared(vectors, squares, part).min(axis=1), out=nearest)
    nearest[chosen] = 0.0
    return np.sqrt(nearest)


def _central(vectors: np.ndarray, squares: np.ndarray) -> int:
    return int(np.argmin(squares - 2 * vectors @ vectors.mean(axis=0)))


def _among_farthest(
    vectors: np.ndarray, squares: np.ndarray, nearest: np.ndarray, wanted: int
) -> tuple[list[int], list[float]]:
    """The next centres that can be told from the farthest rows alone, at least one, and their squared distances to those before them."""
    count = min(CANDIDATES, len(nearest))
    candidates = np.sort(np.argpartition(nearest, -count)[-count:])
    own = nearest[candidates].copy()
    outside = own.min() if count < len(nearest) else -1.0
    between = _squared(vectors[candidates], squares[candidates], range(count))
    found, distances = [], []
    while len(found) < wanted:
        place = int(own.argmax())
        if found and own[place] <= outside:
            break
        found.append(int(candidates[place]))
        distances.append(float(own[place]))
        np.minimum(own, between[place], out=own)
        own[place] = -1.0
    return found, distances


def _squared(vectors: np.ndarray, squares: np.ndarray, places: list[int] | range) -> np.ndarray:
    """Squared distances (N, P) of all rows to those at `places`, never negative; blocks keep the work in the processor's cache."""
    places = list(places)
    found = np.empty((len(vectors), len(places)), dtype=np.float32)
    centres = vectors[places].T
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        np.matmul(vectors[rows], centres, out=found[rows])
        found[rows] *= -2.0
        found[rows] += squares[rows, None]
        found[rows] += squares[places]
    return np.maximum(found, 0.0, out=found)

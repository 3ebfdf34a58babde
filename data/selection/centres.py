# SPDX-License-Identifier: Apache-2.0
"""Diverse subsets: k-centre by farthest-point traversal, and the coverage of any subset.

Greedy farthest-point traversal (Gonzalez 1985) covers every row within twice the smallest radius of k centres. Its
first k rows are the traversal for k, so subsets of growing size are nested.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data.errors import BadInput

CANDIDATES = 1024
"""Rows that are searched for the next centres before all rows are compared again."""
BLOCK = 4096


class Centres(NamedTuple):
    """Positions (k,) in the order of choice, and the distance (k,) of each to those before it (the first: infinite)."""

    chosen: np.ndarray
    reached: np.ndarray


def k_centre(vectors: np.ndarray, k: int, first: int | None = None) -> Centres:
    """Return k rows of `vectors` (N, D) by exact farthest-point traversal in Euclidean distance.

    It starts at `first`, or at the row nearest to the mean. One product compares all rows with many new centres.
    Distances to the nearest centre only fall. So a candidate that is farther than every row outside the candidates
    was is the farthest of all, and the order equals that of single steps. Raises BadInput unless 1 <= k <= N.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if not 1 <= k <= len(vectors):
        raise BadInput.of("error.choose_count", field="rows", k=k, count=len(vectors))
    squares = np.einsum("nd,nd->n", vectors, vectors)
    start = _central(vectors, squares) if first is None else first
    chosen, reached = [start], [np.inf]
    nearest = _squared(vectors, squares, [start])[:, 0]
    nearest[start] = -1.0
    while len(chosen) < k:
        farthest, distances = _among_farthest(vectors, squares, nearest, k - len(chosen))
        np.minimum(nearest, _squared(vectors, squares, farthest).min(axis=1), out=nearest)
        chosen += farthest
        reached += distances
        nearest[farthest] = -1.0
    return Centres(np.array(chosen), np.sqrt(np.maximum(np.array(reached), 0.0)))


def coverage(vectors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return each row's Euclidean distance (N,) to the nearest of the chosen rows of `vectors` (N, D)."""
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
    """Return the next centres, at least one, that the farthest rows alone decide, and their squared distances."""
    count = min(CANDIDATES, len(nearest))
    candidates = np.sort(np.argpartition(nearest, -count)[-count:])
    own = nearest[candidates].copy()
    outside = own.min() if count < len(nearest) else -1.0
    between = _squared(vectors[candidates], squares[candidates], range(count))
    centres: list[int] = []
    distances: list[float] = []
    while len(centres) < wanted:
        place = int(own.argmax())
        if centres and own[place] <= outside:
            break
        centres.append(int(candidates[place]))
        distances.append(float(own[place]))
        np.minimum(own, between[place], out=own)
        own[place] = -1.0
    return centres, distances


def _squared(vectors: np.ndarray, squares: np.ndarray, places: list[int] | range) -> np.ndarray:
    """Return squared distances (N, P) of all rows to those at `places`, never negative.

    Blocks fit into the processor's cache.
    """
    places = list(places)
    distances = np.empty((len(vectors), len(places)), dtype=np.float32)
    centres = vectors[places].T
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        np.matmul(vectors[rows], centres, out=distances[rows])
        distances[rows] *= -2.0
        distances[rows] += squares[rows, None]
        distances[rows] += squares[places]
    return np.maximum(distances, 0.0, out=distances)

# SPDX-License-Identifier: Apache-2.0
"""Near-duplicates: texts that share most word triples, by MinHash and banding (Broder 1997; Leskovec et al., 3.4).

Each text is the set of its runs of three words. Two sets agree in one MinHash with a probability equal to their
Jaccard similarity. Texts whose hashes agree in a whole band are candidates; the exact similarity of their sets
decides.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from data.splits import normalise

RUN = 3
BANDS, IN_BAND = 20, 6
"""At a similarity of 0.8 a pair shares a band with 99.8 %, at 0.5 with 27 %."""
SURE = 0.15
"""A candidate pair whose estimated similarity is this far below the bound (four standard errors) is not compared."""
MIXER = np.uint64(0x9E3779B97F4A7C15)
TOKEN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|\w+")
"""A word; in scripts without spaces a character."""


def shingles(text: str) -> np.ndarray:
    """Return the distinct hashes (uint32, sorted) of a text's runs of three words; a shorter text is one run."""
    words = TOKEN.findall(normalise(text))
    runs = {" ".join(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))}
    return np.unique(np.fromiter((zlib.crc32(run.encode("utf-8", "surrogatepass")) for run in runs), dtype=np.uint32))


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two sorted sets without repetitions."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def minhash(sets: Sequence[np.ndarray], seed: int = 0, hashes: int = BANDS * IN_BAND) -> np.ndarray:
    """Return MinHash signatures (N, hashes) uint32 of non-empty sets of uint32.

    Uses multiply-shift hashing (Dietzfelbinger et al. 1997).
    """
    generator = np.random.default_rng(seed)
    factors = generator.integers(0, 2**64, hashes, dtype=np.uint64) | np.uint64(1)
    offsets = generator.integers(0, 2**64, hashes, dtype=np.uint64)
    starts = np.cumsum([0, *map(len, sets[:-1])])
    elements = np.concatenate(list(sets)).astype(np.uint64)
    signatures = np.empty((len(sets), hashes), dtype=np.uint32)
    for column, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
        mixed = elements * factor  # wraps at 2**64, as the method requires
        mixed += offset
        mixed >>= np.uint64(32)
        signatures[:, column] = np.minimum.reduceat(mixed, starts)
    return signatures


def find_near_duplicates(texts: Sequence[str], similarity: float = 0.8, seed: int = 0) -> np.ndarray:
    """Return for each text the position of the first text of its group (itself if it is the first), (N,).

    Texts that are equal once normalised are one group. So are texts with a Jaccard similarity of at least
    `similarity`, directly or through others. A pair that shares no band is missed: see BANDS.
    """
    parent = np.arange(len(texts))
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        parent[place] = first.setdefault(normalise(text), place)
    places = np.array(sorted(first.values()), dtype=np.int64)
    if len(places) < 2:
        return parent
    sets = [shingles(texts[place]) for place in places]
    groups = np.arange(len(places))
    _unite(groups, sets, minhash(sets, seed), similarity)
    first_of = places[groups]
    return np.array([first_of[np.searchsorted(places, place)] for place in parent])


def _unite(groups: np.ndarray, sets: Sequence[np.ndarray], signatures: np.ndarray, similarity: float) -> None:
    """Write the first row of each row's group into `groups`.

    The rows of a bucket are compared with one row of each group in it.
    """
    for band in range(BANDS):
        for bucket in _buckets(signatures[:, band * IN_BAND : (band + 1) * IN_BAND]):
            while len(bucket) > 1:
                head, rest = bucket[0], bucket[1:]
                rest = rest[[_root(groups, row) != _root(groups, head) for row in rest]]
                near = (signatures[rest] == signatures[head]).mean(axis=1) >= similarity - SURE
                close = np.array(
                    [n and jaccard(sets[head], sets[row]) >= similarity for row, n in zip(rest, near, strict=True)],
                    dtype=bool,
                )
                for other in rest[close]:
                    low, high = sorted((_root(groups, head), _root(groups, other)))
                    groups[high] = low
                bucket = rest[~close]
    for row in range(len(groups)):
        groups[row] = _root(groups, row)


def _buckets(band: np.ndarray) -> Iterator[np.ndarray]:
    """Yield positions, two or more, that are equal in a whole band (N, hashes).

    A hash collision does no harm, since the candidates are compared.
    """
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = keys * MIXER + column
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    yield from (order[start : start + size] for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True))


def _root(parent: np.ndarray, place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return int(place)

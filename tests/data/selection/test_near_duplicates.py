# SPDX-License-Identifier: Apache-2.0
"""MinHash signatures against the library datasketch: both estimate the Jaccard similarity of the same sets."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash

from data.selection.near_duplicates import jaccard, minhash

HASHES = 1024


@pytest.mark.parametrize("shared", [50, 200, 350])
def test_the_estimate_is_that_of_datasketch_within_both_standard_errors(shared):
    elements = np.random.default_rng(shared).choice(2**32, 800 - shared, replace=False).astype(np.uint32)
    sets = np.sort(elements[:400]), np.sort(elements[400 - shared :])
    signatures = minhash(sets, seed=1, hashes=HASHES)
    sketches = [MinHash(num_perm=HASHES, seed=1) for _ in sets]
    for sketch, members in zip(sketches, sets, strict=True):
        sketch.update_batch([int(member).to_bytes(4, "big") for member in members])
    exact = jaccard(*sets)
    error = (exact * (1 - exact) / HASHES) ** 0.5
    ours, theirs = (signatures[0] == signatures[1]).mean(), sketches[0].jaccard(sketches[1])
    assert exact == pytest.approx(shared / (800 - shared))
    assert ours == pytest.approx(exact, abs=4 * error)
    assert ours == pytest.approx(theirs, abs=4 * 2**0.5 * error)

# SPDX-License-Identifier: Apache-2.0
"""The plateau of a curve of win rates: the smallest number of rows that no larger number beats significantly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data.intervals import share_interval


def plateau_start(outcomes: Mapping[int, np.ndarray]) -> int:
    """Return the smallest number of rows that no larger one beats.

    A larger number beats it if the 95 % interval of the paired difference of win rates lies above 0. `outcomes` maps
    each number of rows to its wins on each prompt (P,), over the same prompts.
    """
    counts = sorted(outcomes)
    for place, count in enumerate(counts):
        gains = [(outcomes[larger] - outcomes[count] + 1) / 2 for larger in counts[place + 1 :]]  # from -1..1 to 0..1
        if all(share_interval(gain).low <= 0.5 for gain in gains):
            return count
    raise AssertionError("the largest number has no larger one")

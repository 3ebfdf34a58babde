"""Where a curve of win rates flattens: the fewest rows that no larger number beats by more than chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data.intervals import bootstrap_mean


def plateau_start(outcomes: Mapping[int, np.ndarray], seed: int = 0) -> int:
    """The smallest number of rows for which, against every larger one, the 95 % interval of the paired difference of win rates reaches 0.

    `outcomes`: for each number of rows what it won on each prompt (P,), the same prompts for all.
    """
    counts = sorted(outcomes)
    for place, count in enumerate(counts):
        gains = [bootstrap_mean(outcomes[larger] - outcomes[count], seed) for larger in counts[place + 1 :]]
        if all(gain.low <= 0 for gain in gains):
            return count
    raise AssertionError("the largest number has no larger one")

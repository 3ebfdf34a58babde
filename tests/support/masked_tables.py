# SPDX-License-Identifier: Apache-2.0
"""Random masked tables for property tests of PPO's arithmetic, and float64 references over their real tokens."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

COMMON = settings(max_examples=60, deadline=None)
UNIT = st.floats(0, 1)
FILLERS = st.sampled_from([0.0, float("nan"), float("inf"), float("-inf"), 1e30])


@st.composite
def tables(draw, count, low=-5.0, high=5.0):
    """Draw `count` tables (B, T) and their mask. Masked entries are 0, NaN, infinite or large; gaps and empty rows occur."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 7)))
    mask = draw(arrays(np.bool_, shape))
    numbers, filler = st.floats(low, high, width=32), draw(FILLERS)
    drawn = [np.where(mask, draw(arrays(np.float64, shape, elements=numbers)), filler) for _ in range(count)]
    return *drawn, mask


def tensor(x):
    return torch.from_numpy(np.asarray(x))


def real(table, mask):
    """Return the real tokens, row by row, as plain floats."""
    return [float(x) for x, keep in zip(table.ravel(), mask.ravel(), strict=True) if keep]


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else 0.0


def variance(numbers):
    return mean([(x - mean(numbers)) ** 2 for x in numbers])


def assert_close(actual, expected):
    assert np.allclose(np.asarray(actual), np.asarray(expected), rtol=1e-9, atol=1e-9)

# SPDX-License-Identifier: Apache-2.0
"""Forward passes of rows that are known to hold one text each.

Without an attention mask, transformers reads the positions to find rows of several packed texts. A GPU waits for that
at every pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from transformers import masking_utils


@contextmanager
def unpacked_rows() -> Iterator[None]:
    """Inside the block no row is searched for packed texts."""
    search = masking_utils.find_packed_sequence_indices
    masking_utils.find_packed_sequence_indices = _none
    try:
        yield
    finally:
        masking_utils.find_packed_sequence_indices = search


def _none(position_ids: Tensor) -> None:
    return None

# SPDX-License-Identifier: Apache-2.0
"""Small tiles for TRL's language model head on a CPU.

TRL scores tokens against the vocabulary in tiles of 4096 x 32768, and folds a tile on a CPU by a dozen tensors of its
size: 8 GB for a long batch. Smaller tiles give the same sums in less memory and stay in the CPU's cache. On a GPU a
fused kernel folds the tile in place, so it stays as it is.
"""

from __future__ import annotations

import torch
from trl.kernels import chunked_logprob
from trl.trainer import utils

from reward.memory_estimate import CPU_TILE

ROWS, COLUMNS = CPU_TILE
"""Tokens and vocabulary of a tile: 8 MiB in float32."""


def shrink_tiles(device: torch.device) -> None:
    """Let TRL's trainers in this process compute in small tiles, unless they work on a GPU."""
    if device.type == "cpu":
        chunked_logprob.TOKEN_CHUNK_SIZE = ROWS
        utils._CHUNKED_LOGPROB_CHUNK_SIZE = COLUMNS

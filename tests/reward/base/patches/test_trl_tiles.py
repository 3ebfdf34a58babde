# SPDX-License-Identifier: Apache-2.0
"""Small tiles give the sums of large ones, and a training makes no tensor larger than a tile."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from trl.kernels import chunked_logprob
from trl.trainer import utils

from reward.base.patches.trl_tiles import COLUMNS, ROWS, shrink_tiles

TOKENS, VOCABULARY, WIDTH = 1200, 9000, 8
TRL_ROWS, TRL_COLUMNS = 4096, 32_768
"""TRL's own tile: an earlier test of the same process may have shrunk it."""


class Largest(TorchDispatchMode):
    """The numbers of the largest tensor that an operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.untyped_storage().nbytes() // result.itemsize)
        return result


@pytest.fixture(autouse=True)
def _tiles_as_before(monkeypatch):
    monkeypatch.setattr(chunked_logprob, "TOKEN_CHUNK_SIZE", TRL_ROWS)
    monkeypatch.setattr(utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", TRL_COLUMNS)


def scored() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Log-probabilities, entropies and the gradient of the states, and the numbers of the largest tensor."""
    torch.manual_seed(0)
    states = torch.randn(TOKENS, WIDTH, requires_grad=True)
    weight, targets = 0.1 * torch.randn(VOCABULARY, WIDTH), torch.randint(VOCABULARY, (TOKENS,))
    with Largest() as largest:
        size = utils._CHUNKED_LOGPROB_CHUNK_SIZE
        logps, entropies, *_ = utils._ChunkedLogProbFunction.apply(
            states, weight, None, targets, 1.0, size, None, 1.0, ("log_probs", "entropy")
        )
        (logps.mean() + entropies.mean()).backward()
    return logps.detach(), entropies.detach(), states.grad, largest.numbers


def test_small_tiles_give_the_same_log_probabilities_entropies_and_gradients():
    large = scored()
    shrink_tiles(torch.device("cpu"))
    small = scored()
    for one, other in zip(large[:3], small[:3], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert large[3] == TOKENS * TRL_COLUMNS
    assert small[3] == ROWS * COLUMNS


def test_a_gpu_keeps_its_tiles():
    before = chunked_logprob.TOKEN_CHUNK_SIZE, utils._CHUNKED_LOGPROB_CHUNK_SIZE
    shrink_tiles(torch.device("cuda"))
    assert before == (chunked_logprob.TOKEN_CHUNK_SIZE, utils._CHUNKED_LOGPROB_CHUNK_SIZE)

# SPDX-License-Identifier: Apache-2.0
"""Give the output layer contiguous states. Relies on torch calling a module's forward pre-hooks."""

from __future__ import annotations

from torch import Tensor, nn


def read_contiguous_states(head: nn.Module | None) -> None:
    """Make the states that reach this output layer contiguous.

    The last position of a batch is a slice that is not. For such a slice torch's bfloat16 product on a CPU copies the
    weights once per row: 8 rows and a vocabulary of 151,936 took 10.7 s and 2.4 GB instead of 0.04 s and 4 MB.
    """
    if head is not None:
        head.register_forward_pre_hook(_contiguous)


def _contiguous(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return inputs[0].contiguous(), *inputs[1:]

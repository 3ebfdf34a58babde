# SPDX-License-Identifier: Apache-2.0
"""Sharded layers in shards of work: processes make different numbers of passes, and a layer is gathered by all of them.

A process that works alone announces each layer before it gathers it. The lowest layer that any process announces has
its turn: all processes gather it, those that have no use for it as well, and free it. So one that is behind catches up,
and from then on both gather together. A process that is done with its shard helps until the others are, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import ref

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from reward.base import distributed

DONE = 2**62
"""The announcement of a process that needs no layer; every layer's number is lower."""
_layers: list[ref[nn.Module]] = []
"""The sharded layers of this process by their numbers, the same in all processes. A model may be gone."""
_host_group: Any = None


def gather_in_turn(layers: Sequence[nn.Module]) -> None:
    """Let processes that work alone gather these sharded layers; all processes must call it together."""
    global _host_group
    if _host_group is None:  # on the host, so that no GPU waits
        _host_group = dist.new_group(backend="gloo", timeout=distributed.LONGEST_WAIT)
        distributed.help_others_by(partial(_gather_until, DONE))
    for layer in layers:
        layer.register_forward_pre_hook(partial(_announce, len(_layers)), prepend=True)
        _layers.append(ref(layer))


def _announce(number: int, layer: nn.Module, inputs: object) -> None:
    if distributed.is_alone() and any(isinstance(weight, DTensor) for weight in layer.parameters()):
        _gather_until(number)


def _gather_until(own: int) -> None:
    """Gather the layers of the others' passes until it is the turn of `own`."""
    while (turn := _lowest(own)) != own:
        layer: Any = _layers[turn]()
        layer.reshard()  # a pass that broke off left it whole
        layer.unshard()
        layer.reshard()


def _lowest(number: int) -> int:
    announced = torch.tensor(number)
    dist.all_reduce(announced, dist.ReduceOp.MIN, group=_host_group)
    return int(announced)

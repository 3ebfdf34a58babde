# SPDX-License-Identifier: Apache-2.0
"""The frozen weights of decoder layers, sharded over the processes of a run by torch's `fully_shard` (FSDP2).

Each process holds its part of every layer. A layer is gathered for its own forward and backward pass, and freed after
it. Adapters, heads, the embedding and the last norm stay whole in every process, so DDP averages gradients as ever,
and results have the same bits. Where processes work alone, `reward.base.gathering` lets all of them gather a layer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from transformers import PreTrainedModel

from data.errors import BadInput
from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.architecture import decoder_layers
from reward.base.gathering import gather_in_turn

log = logging.getLogger(__name__)
ADAPTER = "lora_"
"""PEFT's part of the name of each tensor of an adapter."""


def shard(model: PreTrainedModel, trained: nn.Module, *, wanted: bool = True) -> None:
    """Shard the frozen weights of a model's decoder layers, for good.

    `trained` is the module that holds them and that DDP will wrap. Add all adapters before, if the base was not read by
    parts: then it is sharded already. All processes must call it together. Without `wanted` nothing changes. Raises
    BadInput in a run of one process, and for a model whose layers cannot be sharded.
    """
    if not wanted:
        return
    if distributed.world_size() == 1:
        raise bad_input("refused.sharded_alone", field="strategy")
    if not is_sharded(model):
        log.warning("every process has read the whole base, which is sharded only now")
        _shard_layers(model, model.device)
    _hide_frozen(trained)


def shard_before_reading(model: PreTrainedModel, device: torch.device) -> None:
    """Shard a model whose weights are not read yet; leave it whole, and log why, if it cannot be sharded."""
    model.requires_grad_(False)
    reason = "its files hold packed weights" if getattr(model, "is_quantized", False) else ""
    try:
        if not reason:
            _shard_layers(model, device)
    except BadInput as refused:
        reason = refused.error
    if reason:
        log.warning("every process reads the whole base: %s", reason)


def is_sharded(model: PreTrainedModel) -> bool:
    """Return whether a model's layers are sharded."""
    return bool(_sharded_layers(model))


@torch.no_grad()
def change_layers(model: PreTrainedModel, change: Callable[[nn.Module], None]) -> None:
    """Let `change` overwrite weights of each sharded layer in place; one layer is whole at a time.

    All processes must call it together, with the same change.
    """
    for layer in _sharded_layers(model):
        parts = {name: weight for name, weight in layer.named_parameters() if isinstance(weight, DTensor)}
        layer.unshard()
        change(layer)
        for name, part in parts.items():
            sizes, starts = compute_local_shape_and_global_offset(part.shape, part.device_mesh, part.placements)
            window = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
            part.to_local().copy_(layer.get_parameter(name)[window])
        layer.reshard()


@contextmanager
def whole(model: PreTrainedModel) -> Iterator[None]:
    """Give every process all weights inside the block; all processes must enter together.

    For many short passes, as in sampling: it gathers once and needs the memory. Nothing changes for a model that is not
    sharded. Blocks do not nest.
    """
    layers = _sharded_layers(model)
    for layer in layers:
        _keep_whole(layer)
    try:
        yield
    finally:
        for layer in layers:
            _keep_part(layer)


def held_numbers(model: nn.Module) -> int:
    """Return how many numbers of a model's parameters this process holds."""
    return sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in model.parameters())


def _shard_layers(model: PreTrainedModel, device: torch.device) -> None:
    layers = decoder_layers(model)
    if not layers:
        raise bad_input("refused.sharded_layers", field="strategy", model=type(model).__name__)
    _check_weights(layers)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in layers:
        kept = {weight for name, weight in layer.named_parameters() if not _is_frozen(name, weight)}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=kept)
    gather_in_turn(layers)


def _sharded_layers(model: PreTrainedModel) -> list[Any]:  # of FSDPModule and nn.Module at once
    return [layer for layer in decoder_layers(model) if isinstance(layer, FSDPModule)]


def _is_frozen(name: str, weight: nn.Parameter) -> bool:
    return not weight.requires_grad and ADAPTER not in name


def _check_weights(layers: list[nn.Module]) -> None:
    """Raise BadInput for frozen weights that are packed, or that two layers share."""
    seen: set[int] = set()
    for layer in layers:
        frozen = [(name, weight) for name, weight in layer.named_parameters() if _is_frozen(name, weight)]
        for name, weight in frozen:
            if type(weight) is not nn.Parameter or not weight.is_floating_point():
                raise bad_input("refused.sharded_packed", field="strategy", weight=name, type=type(weight).__name__)
            if id(weight) in seen:
                raise bad_input("refused.sharded_shared", field="strategy", weight=name)
        seen |= {id(weight) for _, weight in frozen}


def _hide_frozen(trained: nn.Module) -> None:
    """Tell DDP to leave out what is not trained: it copes with no sharded tensor, and every process has the rest."""
    names = [name for name, weight in trained.named_parameters() if not weight.requires_grad]
    trained._ddp_params_and_buffers_to_ignore = [*names, *(name for name, _ in trained.named_buffers())]  # type: ignore[assignment]


def _keep_whole(layer: Any) -> None:  # noqa: ANN401 (as above)
    """Gather a layer until `_keep_part`: neither a forward pass nor reading an adapter's tensors shards it again."""
    layer.set_reshard_after_forward(False, recurse=False)
    layer.unshard()
    for module in layer.modules():  # by these hooks of torch every call of state_dict and load_state_dict would shard
        module._state_dict_pre_hooks.clear()
        module._load_state_dict_pre_hooks.clear()
        module._load_state_dict_post_hooks.clear()


def _keep_part(layer: Any) -> None:  # noqa: ANN401 (as above)
    layer.set_reshard_after_forward(True, recurse=False)
    layer.reshard()

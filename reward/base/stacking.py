# SPDX-License-Identifier: Apache-2.0
"""Two adapters as one with the effect of both: B1 A1 s1 + B2 A2 s2 = [s1 B1, s2 B2] [A1; A2].

Ranks and scalings may differ by layer. PEFT stores the matrices of experts that share one tensor flat: A as (experts x
rank, in), B as (out, rank x experts). Several such tensors of one module nest: the last one's matrices stand under the
module's name, each earlier one's under one more "base_layer".
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Collection
from dataclasses import dataclass

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import get_pattern_key
from torch import nn

from labeling.texts.pages import bad_input
from reward.base.adapters import Adapter, Weights

PREFIX, INNER = "base_model.model.", ".base_layer"
DOWN = re.compile(r"(?P<module>.*)\.lora_(?P<embedding>embedding_)?A(?P<suffix>.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A weight of a model that adapters can change: a module's own (`parameter` None) or one of its tensors."""

    module: str
    parameter: str | None
    experts: int

    @property
    def key(self) -> str:
        """The name that PEFT matches with rank and alpha patterns."""
        return self.module if self.parameter is None else f"{self.module}.{self.parameter}"


@dataclass(frozen=True, slots=True)
class Change:
    """An adapter's matrices for a place, with the parts of their names, and their scaling."""

    down: torch.Tensor
    up: torch.Tensor
    scaling: float
    embedding: str
    suffix: str


def stack(model: nn.Module, first: Adapter, second: Adapter) -> Adapter:
    """Return one adapter with the effect of both on this model, whose experts give the layout of the matrices.

    A place that only one of them changes gets zeros for the other. Head and other settings are those of `second`.
    Raises BadInput for DoRA and for tensors that are no LoRA matrices.
    """
    config = copy.copy(second[0])
    config.r = config.lora_alpha = first[0].r + second[0].r
    config.use_rslora = False
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    targets = {*(first[0].target_parameters or ()), *(second[0].target_parameters or ())}
    config.target_parameters = sorted(targets) or None
    changes = [(adapter[0], _changes(model, adapter)) for adapter in (first, second)]
    places = sorted({place for _, own in changes for place in own}, key=lambda place: place.key)
    config.target_modules = [place.module for place in places if place.parameter is None]
    weights = {name: tensor for name, tensor in second[1].items() if ".lora_" not in name}
    ranks = {}
    for place in places:
        matrices, ranks[place.key] = _joined(place, changes)
        stem = PREFIX + place.module + INNER * _depth(model, place, targets)
        weights |= {stem + name: matrix for name, matrix in matrices.items()}
    config.rank_pattern = {re.escape(key): rank for key, rank in ranks.items() if rank != config.r}
    config.alpha_pattern = dict(config.rank_pattern)
    return config, weights


def _changes(model: nn.Module, adapter: Adapter) -> dict[Place, Change]:
    config, weights = adapter
    if config.use_dora:
        raise bad_input("refused.stack_dora")
    changes = {}
    for name in sorted(name for name in weights if ".lora_" in name):
        match = DOWN.fullmatch(name)
        if match is None:
            if re.search(r"\.lora_(embedding_)?B", name):
                continue
            raise bad_input("refused.stack_tensor", tensor=name)
        stem = match["module"].removeprefix(PREFIX)
        module = stem.removesuffix(INNER * stem.count(INNER))
        place = _place(model, module, stem.count(INNER), config.target_parameters or ())
        up = f"{match['module']}.lora_{match['embedding'] or ''}B{match['suffix']}"
        rank = len(weights[name]) // place.experts
        scaling = _alpha(config, place) / (math.sqrt(rank) if config.use_rslora else rank)
        changes[place] = Change(weights[name], weights[up], scaling, match["embedding"] or "", match["suffix"])
    return changes


def _joined(place: Place, changes: list[tuple[LoraConfig, dict[Place, Change]]]) -> tuple[Weights, int]:
    """Return both matrices of a place by the ends of their names, and their rank."""
    shape = next(own[place] for _, own in changes if place in own)
    downs, ups = [], []
    for config, own in changes:
        change = own.get(place)
        rank = _rank(config, place) if change is None else len(change.down) // place.experts
        down = torch.zeros(rank * place.experts, *shape.down.shape[1:]) if change is None else change.down
        up = (
            torch.zeros(shape.up.shape[0], rank * place.experts, *shape.up.shape[2:])
            if change is None
            else change.scaling * change.up
        )
        downs.append(down.unflatten(0, (place.experts, rank)))
        ups.append(up.unflatten(1, (rank, place.experts)))
    down, up = torch.cat(downs, dim=1), torch.cat(ups, dim=1)
    ends = f".lora_{shape.embedding}A{shape.suffix}", f".lora_{shape.embedding}B{shape.suffix}"
    return dict(zip(ends, (down.flatten(0, 1), up.flatten(1, 2)), strict=True)), down.shape[1]


def _place(model: nn.Module, module: str, depth: int, targets: Collection[str]) -> Place:
    inside = _bare(model.get_submodule(module))
    parameters = _targeted(module, inside, targets)
    if not parameters:
        return Place(module, None, 1)
    name = parameters[-1 - depth]
    tensor = inside.get_parameter(name)
    return Place(module, name, len(tensor) if tensor.ndim == 3 else 1)


def _depth(model: nn.Module, place: Place, targets: Collection[str]) -> int:
    """Return how many wrappers of other tensors stand around that of this place."""
    if place.parameter is None:
        return 0
    parameters = _targeted(place.module, _bare(model.get_submodule(place.module)), targets)
    return len(parameters) - 1 - parameters.index(place.parameter)


def _bare(module: nn.Module) -> nn.Module:
    if isinstance(module, BaseTunerLayer):
        module = module.get_base_layer()
    assert isinstance(module, nn.Module), "an adapter wraps a module"
    return module


def _targeted(name: str, module: nn.Module, targets: Collection[str]) -> list[str]:
    """Return the module's own parameters that PEFT wraps for these targets, in the order of their wrappers."""
    own = (parameter for parameter, _ in module.named_parameters(recurse=False))
    return [own_name for own_name in own if any(f".{name}.{own_name}".endswith(f".{target}") for target in targets)]


def _rank(config: LoraConfig, place: Place) -> int:
    return _matched(config.rank_pattern, place.key, config.r)


def _alpha(config: LoraConfig, place: Place) -> int:
    return _matched(config.alpha_pattern, place.key, config.lora_alpha)


def _matched(patterns: dict[str, int] | None, key: str, default: int) -> int:
    patterns = patterns or {}
    return patterns.get(get_pattern_key(list(patterns), key), default)

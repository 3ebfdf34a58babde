# SPDX-License-Identifier: Apache-2.0
"""The layers of a model that a LoRA adapter changes: all linear ones that can carry one, or those that a caller names.

A layer can carry LoRA if a forward pass of the trunk calls it and gets one tensor from it, and if PEFT accepts it. Some
models read a layer's weight without calling the layer: its LoRA would have no effect until it is merged, and then one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from functools import partial

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import _check_lora_target_modules_mamba
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from labeling.texts.pages import bad_input
from reward.base.architecture import decoder_layers, find_trunk
from reward.training_settings import LoraSettings, TrainerSettings

DEFAULT_RANK = 16
RANGE = re.compile(r"(\d+)(?:(-)(\d*))?")
"""A range of decoder layers: "8-" from number 8 on, "8-15" with both ends, "8" alone."""


def lora_config(
    model: PreTrainedModel,
    rank: int = DEFAULT_RANK,
    *,
    alpha: int | None = None,
    dropout: float = 0.0,
    targets: str = "",
    layers: str = "",
    dora: bool = False,
    rslora: bool = False,
) -> LoraConfig:
    """Return a LoRA for the model, by default on all linear layers that can carry one, with alpha = 2 rank.

    `targets` names layers, such as "q_proj,v_proj". `layers` is a range of decoder layers; see RANGE. Experts that
    share one tensor are adapted as PEFT does for "all-linear". Raises BadInput for names that no layer has, for a range
    outside the model, and for options that such experts do not take.
    """
    names = [name for part in targets.split(",") if (name := part.strip())]
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=names or "all-linear",
        use_dora=dora,
        use_rslora=rslora,
    )
    able = capable_layers(model)
    converted = _converted(config, model)
    _check_experts(converted, layers, dropout, dora)
    if not names and not layers and able == set(linear_layers(model)):
        return config  # PEFT chooses the same layers
    wanted = converted.target_modules
    if isinstance(wanted, Collection) and not isinstance(wanted, str):  # else PEFT converted nothing
        _check_names(wanted if names else (), able)
        able = {name for name in able if _ends_in(name, wanted)}
    converted.target_modules = sorted(_layers_within(model, able, layers) if layers else able)
    return converted


def lora_of(model: PreTrainedModel, settings: LoraSettings) -> LoraConfig:
    """Return the LoRA that a run's settings ask for; see `lora_config`."""
    return lora_config(
        model,
        settings.rank,
        alpha=settings.lora_alpha or None,
        dropout=settings.lora_dropout if isinstance(settings, TrainerSettings) else 0.0,
        targets=settings.lora_targets,
        layers=f"{settings.first_layer}-" if settings.first_layer else "",
        dora=settings.dora,
        rslora=settings.rslora,
    )


def linear_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """Return the linear layers of the model's trunk by their names, without those of adapters."""
    inside = set(find_trunk(model).modules())
    return {
        name.removesuffix(".base_layer"): module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module in inside and ".lora_" not in name
    }


@torch.no_grad()
def capable_layers(model: PreTrainedModel) -> set[str]:
    """Return the names of the linear layers that can carry LoRA.

    One of several experts counts as called if its sibling was: layers are alike if their names differ in numbers only.
    """
    layers, called = linear_layers(model), set[str]()
    hooks = [layer.register_forward_hook(partial(_record_call, called, _kind(name))) for name, layer in layers.items()]
    try:
        find_trunk(model)(input_ids=torch.arange(4, device=model.device)[None], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {name for name in layers if _kind(name) in called and _accepted(model, name)}


def _record_call(called: set[str], kind: str, layer: nn.Module, inputs: object, output: object) -> None:
    if isinstance(output, torch.Tensor):
        called.add(kind)


def _kind(name: str) -> str:
    return re.sub(r"\d+", "*", name)


def _accepted(model: PreTrainedModel, name: str) -> bool:
    """Return whether PEFT accepts the layer; it refuses layers that a fused kernel of the family reads past."""
    try:
        _check_lora_target_modules_mamba(LoraConfig(), model, name.rpartition(".")[2])
    except ValueError:
        return False
    return True


def _converted(config: LoraConfig, model: PreTrainedModel) -> LoraConfig:
    """Return a copy with the names of fused experts as PEFT's own conversion gives them."""
    converted = copy.deepcopy(config)
    try:
        convert_peft_config_for_transformers(converted, model, None)
    except ValueError as problem:
        raise bad_input("refused.fused_targets", field="targets", problem=str(problem)) from None
    return converted


def _check_experts(config: LoraConfig, layers: str, dropout: float, dora: bool) -> None:
    """Raise BadInput for an option that fused experts do not take."""
    if not config.target_parameters:
        return
    given = {"layers": bool(layers), "dropout": bool(dropout), "dora": dora}
    for option in (name for name, is_given in given.items() if is_given):
        raise bad_input("refused.expert_option", field=option, option=option)


def _check_names(names: Collection[str], able: Collection[str]) -> None:
    unknown = sorted(name for name in names if not any(_ends_in(layer, {name}) for layer in able))
    if unknown:
        known = ", ".join(sorted({layer.rpartition(".")[2] for layer in able}))
        raise bad_input("refused.targets", field="targets", unknown=unknown[0], known=known)


def _ends_in(layer: str, names: Collection[str]) -> bool:
    return any(layer == name or layer.endswith(f".{name}") for name in names)


def _layers_within(model: PreTrainedModel, names: Collection[str], layers: str) -> set[str]:
    """Return the names inside the range of decoder layers. Raises BadInput for a range outside the model."""
    numbered, match = decoder_layers(model), RANGE.fullmatch(layers.strip())
    last = len(numbered) - 1
    if match is not None:
        first, stop = int(match[1]), last if match[2] and not match[3] else int(match[3] or match[1])
    if match is None or not first <= stop <= last:
        key = "refused.layers" if numbered else "refused.layers_of_no_list"
        raise bad_input(key, layers=layers, last=last, middle=len(numbered) // 2, field="layers")
    inside = {id(part) for layer in numbered[first : stop + 1] for part in layer.modules()}
    return {name for name, layer in linear_layers(model).items() if name in names and id(layer) in inside}

# SPDX-License-Identifier: Apache-2.0
"""A frozen causal language model with named LoRA adapters: at most one adapter is active at a time.

The model's own weights are never trained and its dropout is never active. Switching the adapter sets one attribute
per LoRA layer. PEFT's own switches walk the whole model and also change `requires_grad`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PreTrainedModel

from data.errors import BadInput
from labeling.texts.pages import bad_input
from reward.base.adapters import HEAD, Weights, as_causal, read_adapter, write_adapter
from reward.base.lora_targets import lora_config
from reward.base.patches.lora_forward import patch_forward, set_active_adapters
from reward.base.sharding import is_sharded


class AdaptedModel:
    """A frozen causal LM called `name`, and the LoRA adapters that were added to it."""

    def __init__(self, causal: PreTrainedModel, name: str) -> None:
        self.name = name
        self._causal = causal
        self._peft: PeftModel | None = None
        self._layers: list[LoraLayer] = []
        self._trainable: dict[str, bool] = {}
        self._role: str | None = None

    @property
    def model(self) -> PreTrainedModel | PeftModel:
        """The PEFT model if there is an adapter, else the bare causal LM."""
        return self._peft or self._causal

    @property
    def causal(self) -> PreTrainedModel:
        """The causal LM itself; its layers carry the adapters in place."""
        return self._causal

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self._causal.device

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._trainable)

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the adapters that are trained."""
        return tuple(name for name, trained in self._trainable.items() if trained)

    @property
    def active(self) -> str | None:
        """The active adapter, None for the bare base."""
        return self._role

    def add_adapter(
        self, name: str, path: str | Path | None = None, config: LoraConfig | None = None, trainable: bool = False
    ) -> None:
        """Add a LoRA adapter called `name`: from a PEFT folder, or a fresh one by `config` (default: `lora_config`).

        The head of a reward adapter is not loaded here; `reward.model.RewardModel` reads it. Raises BadInput if the
        name is taken, or if the adapter does not fit the base model.
        """
        if name in self._trainable:
            raise BadInput(error=f"an adapter named {name!r} is loaded already", remedy="Drop it first.")
        config, weights = (config or lora_config(self._causal), None) if path is None else read_adapter(path)
        config = as_causal(config, path)
        if config.use_dora and is_sharded(self._causal):
            raise bad_input("refused.sharded_dora", field="strategy", folder=str(path or name))
        if self._peft is None:
            wrapped = get_peft_model(self._causal, config, adapter_name=name)
            assert isinstance(wrapped, PeftModel), "PEFT returns another class for mixed adapter types only"
            self._peft = wrapped
        else:
            self._peft.add_adapter(name, config)
        self._trainable[name] = trainable
        self._layers = [layer for layer in self._causal.modules() if isinstance(layer, LoraLayer)]
        for layer in self._layers:
            patch_forward(layer)
        self._peft.eval()
        self._activate(self._role)
        if path is not None and weights is not None:
            self._load_weights(name, weights, path)

    def drop_adapter(self, name: str) -> None:
        """Remove an adapter; the others and the active role stay as they are."""
        del self._trainable[name]
        if self._role == name:
            self._role = None
        if self._trainable:
            self._wrapped.delete_adapter(name)
        else:
            bare = self._wrapped.unload()
            assert isinstance(bare, PreTrainedModel), "unloading returns the model that was wrapped"
            self._causal, self._peft = bare, None
        self._layers = [layer for layer in self._causal.modules() if isinstance(layer, LoraLayer)]
        self._activate(self._role)

    def parameters(self, name: str) -> list[torch.nn.Parameter]:
        """Return the LoRA matrices of one adapter, and DoRA's magnitudes, in a fixed order."""
        return [matrix for layer in self._layers for matrix in _matrices(layer, name)]

    def adapter_state(self, name: str) -> Weights:
        """Return the tensors of one adapter under the names that PEFT gives them in its file."""
        return get_peft_model_state_dict(self._wrapped, adapter_name=name, save_embedding_layers=False)

    def adapter_config(self, name: str) -> LoraConfig:
        """Return the configuration of one adapter."""
        config = self._wrapped.peft_config[name]
        assert isinstance(config, LoraConfig), "only LoRA adapters are added"
        return config

    def save_adapter(
        self, name: str, folder: str | Path, *, config: LoraConfig | None = None, extra: Weights | None = None
    ) -> None:
        """Save one adapter as a PEFT folder. A reward adapter adds its head (`extra`) and its own configuration."""
        write_adapter(folder, config or self.adapter_config(name), {**self.adapter_state(name), **(extra or {})})

    @contextmanager
    def role(self, name: str | None) -> Iterator[None]:
        """Activate the adapter `name` inside the block, or the bare base if it is None; blocks nest."""
        if name is not None and name not in self._trainable:
            raise BadInput(error=f"no adapter named {name!r} is loaded", remedy=f"Loaded: {', '.join(self.adapters)}.")
        before = self._role
        self._activate(name)
        try:
            yield
        finally:
            self._activate(before)

    @property
    def _wrapped(self) -> PeftModel:
        assert self._peft is not None, "the PEFT model exists as long as an adapter does"
        return self._peft

    def _activate(self, name: str | None) -> None:
        self._role = name
        active = [] if name is None else [name]
        for layer in self._layers:
            set_active_adapters(layer, active)
        for adapter, trainable in self._trainable.items():
            for matrix in self.parameters(adapter):
                matrix.requires_grad_(trainable)

    def _load_weights(self, name: str, weights: Weights, path: str | Path) -> None:
        tensors = {key: value for key, value in weights.items() if key != HEAD}
        expected = {key: value.shape for key, value in self.adapter_state(name).items()}
        if expected != {key: value.shape for key, value in tensors.items()}:
            self.drop_adapter(name)
            raise bad_input("refused.adapter_misfit", folder=str(path), base=self.name)
        set_peft_model_state_dict(self._wrapped, tensors, adapter_name=name)
        self._activate(self._role)


def _matrices(layer: LoraLayer, name: str) -> Iterator[torch.nn.Parameter]:
    for group in (layer.lora_A, layer.lora_B, layer.lora_magnitude_vector):
        if name in group:
            yield from group[name].parameters()

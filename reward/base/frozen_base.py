# SPDX-License-Identifier: Apache-2.0
"""One frozen causal language model, and every role that is played on it as a named LoRA adapter.

Policies, references, reward models and critics of a process share one `Base`: its weights are never trained, its
dropout never active (always eval mode), its vocabulary never grown. Switching a role sets one attribute per LoRA
layer from a list kept here; PEFT's own switches walk the whole model and flip requires_grad behind one's back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.errors import BadInput
from reward.base.adapters import HEAD, as_causal, default_lora, read_adapter, write_adapter
from reward.base.encoding import Encoding
from reward.base.loading import load_causal, weights_hash
from reward.base.locate import locate
from reward.base.patches.lora_forward import patch_forward, set_active_adapters


class Base:
    """A frozen causal LM with named adapters. Build it with `Base.load`."""

    def __init__(self, causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.config = causal.config.get_text_config()
        self.hidden_size: int = self.config.hidden_size
        self.encoding = Encoding.of(causal, tokenizer)
        self.context = self.encoding.context
        self.weights = weights_hash(causal)
        self._causal = causal
        self._trunk = causal.base_model
        self._peft: PeftModel | None = None
        self._layers: list[LoraLayer] = []
        self._trainable: dict[str, bool] = {}
        self._role: str | None = None

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        chat_template: str | None = None,
    ) -> Base:
        """Load a base from a local folder, a downloaded hub id, or "starter"; `chat_template` replaces its own.

        Raises BadInput for a missing folder, a folder without a causal LM in safetensors, or a model without an
        end-of-text token.
        """
        causal, tokenizer = load_causal(source, dtype)
        if chat_template is not None:
            tokenizer.chat_template = chat_template
        name = "starter" if source == "starter" else locate(source)
        return cls(causal.to(device) if device else causal, tokenizer, name)

    @property
    def model(self) -> PreTrainedModel | PeftModel:
        """The PEFT model once an adapter was added, the bare causal LM before."""
        return self._peft or self._causal

    @property
    def causal(self) -> PreTrainedModel:
        """The causal LM itself; its layers carry the adapters in place."""
        return self._causal

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self._causal.device

    @property
    def pad_id(self) -> int:
        """Id that fills ragged batches; it says nothing about masks."""
        return self.encoding.pad_id

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends an answer: the tokenizer's and the generation config's."""
        return self.encoding.eos_ids

    @property
    def fingerprint(self) -> dict[str, str]:
        """Hashes of base weights, tokenizer and template: what a saved reward model must find again."""
        return {"base": self.weights, **self.encoding.fingerprint}

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that are loaded."""
        return tuple(self._trainable)

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the adapters that are trained."""
        return tuple(name for name, trained in self._trainable.items() if trained)

    @property
    def active(self) -> str | None:
        """The adapter that is active, None for the bare base."""
        return self._role

    def encode_prompt(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        """Prompt ids by the chat template, or by the plain one; see `Encoding.prompt`."""
        return self.encoding.encode_prompt(prompt)

    def encode_completion(self, text: str) -> list[int]:
        """Ids of an answer's text with the end token appended."""
        return self.encoding.encode_completion(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, cut at its first end token."""
        return self.encoding.decode(ids)

    def collate(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
        """Pad ragged rows on `side`: ids and mask (B, T), on the model's device."""
        ids, mask = self.encoding.collate(rows, side)
        return ids.to(self.device), mask.to(self.device)

    def add_adapter(
        self, name: str, path: str | Path | None = None, config: LoraConfig | None = None, trainable: bool = False
    ) -> None:
        """Add a LoRA adapter under our own name: from a PEFT folder, or fresh by `config` (default: all linear).

        The head of a reward adapter is not loaded here; `reward.model.RewardModel` reads it.
        """
        if name in self._trainable:
            raise BadInput(error=f"an adapter named {name!r} is loaded already", remedy="Drop it first.")
        weights = None
        if path is not None:
            config, weights = read_adapter(path)
        config = as_causal(config or default_lora(), path)
        if self._peft is None:
            self._peft = get_peft_model(self._causal, config, adapter_name=name)
        else:
            self._peft.add_adapter(name, config)
        self._trainable[name] = trainable
        self._layers = [layer for layer in self._causal.modules() if isinstance(layer, LoraLayer)]
        for layer in self._layers:
            patch_forward(layer)
        self._peft.eval()
        self._activate(self._role)
        if weights is not None:
            self._fill(name, weights, path)

    def drop_adapter(self, name: str) -> None:
        """Remove an adapter; the others and the active role stay as they are."""
        del self._trainable[name]
        if self._role == name:
            self._role = None
        if self._trainable:
            self._peft.delete_adapter(name)
        else:
            self._causal, self._peft = self._peft.unload(), None
        self._layers = [layer for layer in self._causal.modules() if isinstance(layer, LoraLayer)]
        self._activate(self._role)

    def parameters(self, name: str) -> list[torch.nn.Parameter]:
        """Return the LoRA matrices of one adapter, in a fixed order."""
        return [matrix for layer in self._layers for matrix in _matrices(layer, name)]

    def adapter_state(self, name: str) -> dict[str, torch.Tensor]:
        """Return the tensors of one adapter under PEFT's file names."""
        return get_peft_model_state_dict(self._peft, adapter_name=name, save_embedding_layers=False)

    def save_adapter(
        self,
        name: str,
        folder: str | Path,
        *,
        config: LoraConfig | None = None,
        extra: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Save one adapter as a PEFT folder; a reward adapter adds its head and the configuration that admits it."""
        tensors = {**self.adapter_state(name), **(extra or {})}
        write_adapter(folder, config or self._peft.peft_config[name], tensors)

    @contextmanager
    def role(self, name: str | None) -> Iterator[None]:
        """Inside the block the adapter `name` is active, or with None the bare base; blocks nest."""
        if name is not None and name not in self._trainable:
            raise BadInput(error=f"no adapter named {name!r} is loaded", remedy=f"Loaded: {', '.join(self.adapters)}.")
        before = self._role
        self._activate(name)
        try:
            yield
        finally:
            self._activate(before)

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Last hidden states (B, T, D) of the active role for ids (B, T) and mask (B, T), True = a real token.

        Positions count real tokens only. What stands under mask=False is not defined. Rows without a gap before
        their last real token need no attention mask: padding on the right is causally invisible.
        """
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        steps = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        if bool((positions == steps)[mask].all()):
            positions, attention = steps, None
        else:
            attention = mask
        return self._trunk(
            input_ids=ids, attention_mask=attention, position_ids=positions, use_cache=False
        ).last_hidden_state

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Next-token logits in float32 from hidden states (..., D), scaled and capped as the model's config says."""
        scores = self._causal.get_output_embeddings()(hidden).float()
        scale = (getattr(self.config, "logit_scale", None) or 1.0) / (
            getattr(self.config, "logits_scaling", None) or 1.0
        )
        scores = (
            scores if scale == 1 else scores * scale
        )  # most models have none: a pass over rows of the vocabulary spared
        cap = getattr(self.config, "final_logit_softcapping", None)
        return cap * torch.tanh(scores / cap) if cap else scores

    @torch.no_grad()
    def check_logits(self) -> None:
        """Return raises BadInput for a model that makes its logits otherwise than `logits` does.

        By a multiplier of a name of its own, say.
        """
        ids = torch.tensor([[min(self.eos_ids)] * 2], device=self.device)
        with self.role(None):
            own = self._causal(input_ids=ids, use_cache=False).logits.float()
            found = self.logits(self.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
        if not (own - found).abs().max() <= 0.01 * own.abs().max():
            error = f"{self.name!r} makes its logits in a way of its own ({type(self._causal).__name__})"
            raise BadInput(error, "Train another base by PPO; this one can be sampled.", field="from")

    def _activate(self, name: str | None) -> None:
        self._role = name
        active = [] if name is None else [name]
        for layer in self._layers:
            set_active_adapters(layer, active)
        for adapter, trainable in self._trainable.items():
            for matrix in self.parameters(adapter):
                matrix.requires_grad_(trainable)

    def _fill(self, name: str, weights: dict[str, torch.Tensor], path: str | Path) -> None:
        tensors = {key: value for key, value in weights.items() if key != HEAD}
        expected = {key: value.shape for key, value in self.adapter_state(name).items()}
        if expected != {key: value.shape for key, value in tensors.items()}:
            self.drop_adapter(name)
            raise BadInput(
                error=f"the adapter in {str(path)!r} does not fit the base model {self.name!r}",
                remedy="Load it with the base model it was trained on.",
            )
        set_peft_model_state_dict(self._peft, tensors, adapter_name=name)
        self._activate(self._role)


def _matrices(layer: LoraLayer, name: str) -> Iterator[torch.nn.Parameter]:
    for group in (layer.lora_A, layer.lora_B):
        if name in group:
            yield from group[name].parameters()

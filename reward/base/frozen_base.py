# SPDX-License-Identifier: Apache-2.0
"""The base of a process: one frozen causal LM with its tokenizer, shared by all roles.

Policies, references, reward models and critics are named LoRA adapters on the same `Base`. Its weights are never
trained, its dropout is never active (always eval mode), and its vocabulary never grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labeling.texts.pages import bad_input
from reward.base.adapted_model import AdaptedModel
from reward.base.architecture import find_trunk, trunk_width
from reward.base.loading import load_causal
from reward.base.locate import locate
from reward.base.machine import MEDIUM_BASE, keep_freed_memory
from reward.base.patches.output_layer import read_contiguous_states
from reward.base.patches.packed_rows import unpacked_rows
from reward.base.placement import Placement
from reward.base.text.encoding import NO_OPTIONS, Encoding
from reward.base.text.fingerprint import former_template_hash, former_weights_hash, text_fingerprint, weights_hash
from reward.base.text.template_options import TemplateOptions


class Base(AdaptedModel):
    """A frozen causal LM with its tokenizer and named adapters. Build it with `Base.load`."""

    def __init__(
        self,
        causal: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        placement: Placement | None = None,
        options: TemplateOptions = NO_OPTIONS,
    ) -> None:
        super().__init__(causal, name)
        self.placement = placement or Placement(causal.device, causal.dtype)
        self._own_template = tokenizer.chat_template
        if options.chat_template is not None:
            tokenizer.chat_template = options.chat_template
        self.tokenizer = tokenizer
        self.config = causal.config.get_text_config()
        self.hidden_size = trunk_width(causal)
        self.encoding = Encoding.of(causal, tokenizer, options)
        self.context = self.encoding.context
        self.weights, self._former_weights = weights_hash(causal), former_weights_hash(causal)
        self._trunk = find_trunk(causal)
        read_contiguous_states(causal.get_output_embeddings())

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        placement: Placement | None = None,
        chat_template: str | None = None,
        template_kwargs: Mapping[str, Any] | None = None,
        template_date: str | None = None,
    ) -> Base:
        """Load a base from a local folder, a downloaded hub id, or "starter".

        Without a `placement` it is the machine's default, a GPU if there is one. `TemplateOptions` explains the other
        arguments. Raises BadInput for a missing folder, a folder without a causal LM in safetensors, a model without
        an end-of-text token, or a template that is no valid Jinja.
        """
        placement = placement or Placement.choose()
        causal, tokenizer = load_causal(source, placement)
        options = TemplateOptions(chat_template, template_kwargs, template_date)
        if (size := causal.get_memory_footprint()) >= MEDIUM_BASE:
            keep_freed_memory(size)
        return cls(causal, tokenizer, "starter" if source == "starter" else locate(source), placement, options)

    def limit_context(self, tokens: int) -> None:
        """Let this process read rows of at most so many tokens; 0: as many as the model takes."""
        self.context = min(self.context, tokens or self.context)

    @property
    def pad_id(self) -> int:
        """The id that fills ragged batches; masks never come from it."""
        return self.encoding.pad_id

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends an answer: the tokenizer's and the generation config's."""
        return self.encoding.eos_ids

    @property
    def fingerprint(self) -> dict[str, str]:
        """Hashes of base weights, tokenizer and template. A saved reward model requires the same hashes."""
        return {"base": self.weights, **text_fingerprint(self.encoding)}

    @property
    def former_fingerprint(self) -> dict[str, str]:
        """The hashes of weights and template as earlier reward models record them."""
        return {"base": self._former_weights, "template": former_template_hash(self.encoding)}

    @property
    def template_options(self) -> TemplateOptions:
        """The options of the template with which another load writes the same ids."""
        encoding = self.encoding
        return TemplateOptions(self.tokenizer.chat_template, encoding.template_kwargs or None, encoding.template_date)

    def has_template(self, options: TemplateOptions) -> bool:
        """Return whether a base of the same source with these options writes the same ids."""
        own = self._own_template if options.chat_template is None else options.chat_template
        dated = self.encoding.chat is not None and self.encoding.chat.reads_date
        same_date = not dated or options.template_date in (None, self.encoding.template_date)
        same_kwargs = (options.template_kwargs or {}) == self.encoding.template_kwargs
        return own == self.tokenizer.chat_template and same_kwargs and same_date

    def writes_answers_like(self, other: Base) -> bool:
        """Return whether both write an answer with the same ids: by one tokenizer, in one form of a turn."""
        same_tokenizer = self.fingerprint["tokenizer"] == other.fingerprint["tokenizer"]
        return same_tokenizer and self.encoding.turn.form == other.encoding.turn.form

    def encode_prompt(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Return the ids of a prompt; see `Encoding.encode_prompt`."""
        return self.encoding.encode_prompt(prompt)

    def encode_completion(self, text: str) -> list[int]:
        """Return the ids of a finished answer; see `Encoding.encode_completion`."""
        return self.encoding.encode_completion(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer, cut at its first end token."""
        return self.encoding.decode(ids)

    def collate(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
        """Pad ragged rows on `side`: ids and mask (B, T), on the model's device."""
        ids, mask = self.encoding.collate(rows, side)
        return ids.to(self.device), mask.to(self.device)

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor, right_padded: bool = False) -> torch.Tensor:
        """Return the last hidden states (B, T, D) of the active role for ids (B, T) and mask (B, T), True = a token.

        Positions count real tokens only; the states under mask=False are undefined. If no row has a gap before its
        last real token, no attention mask is needed: padding on the right is causally invisible. `right_padded` says
        that of all rows, so that a GPU does not wait for the host to find out.
        """
        steps = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        if not right_padded:
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            right_padded = bool((positions == steps)[mask].all())
        with unpacked_rows():
            return self._trunk(
                input_ids=ids,
                attention_mask=None if right_padded else mask,
                position_ids=steps if right_padded else positions,
                use_cache=False,
            ).last_hidden_state

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return next-token logits in float32 from hidden states (..., D), scaled and capped by the model's config."""
        scores = self._causal.get_output_embeddings()(hidden).float()
        scale = self._logit_scale()
        if scale != 1:  # most models have no scale, and a product would copy rows of the whole vocabulary
            scores = scores * scale
        cap = getattr(self.config, "final_logit_softcapping", None)
        return cap * torch.tanh(scores / cap) if cap else scores

    def _logit_scale(self) -> float:
        """Return the factor of the logits: Cohere's, Granite's (a divisor) or Falcon-H1's name for it, else 1."""
        cohere, granite, falcon = (
            getattr(self.config, name, None) or 1.0 for name in ("logit_scale", "logits_scaling", "lm_head_multiplier")
        )
        return cohere * falcon / granite

    @torch.no_grad()
    def check_logits(self) -> None:
        """Raise BadInput if the model computes other logits than `logits`, by a multiplier under another name say."""
        ids = torch.tensor([[min(self.eos_ids)] * 2], device=self.device)
        with self.role(None):
            expected = self._causal(input_ids=ids, use_cache=False).logits.float()
            ours = self.logits(self.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
        if not (expected - ours).abs().max() <= 0.01 * expected.abs().max():
            raise bad_input("refused.logits", field="from", base=self.name, model=type(self._causal).__name__)

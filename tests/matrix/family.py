# SPDX-License-Identifier: Apache-2.0
"""A family of causal language models as a tiny random model with tokenizer, chat template and generation config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from tests.matrix.configs import SHAPES
from tests.matrix.tokenizers import make_tokenizer

SPREAD = 0.1
"""Standard deviation of the random weights: wide enough that other inputs give clearly other outputs."""
END_SHARE = 0.15
"""Least mean probability of an end: most answers of a random model end within some twenty tokens."""


@dataclass(frozen=True)
class Family:
    """A family: its model type, tokenizer and template. `ends` are the tokens of the generation config's eos list."""

    title: str
    model_type: str
    kind: str
    specials: Sequence[str]
    eos: str
    template: str | None = None
    bos: str | None = None
    pad: str | None = None
    adds_bos: bool = False
    ends: Sequence[str] = ()
    plain: Sequence[str] = ()

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Build the tokenizer with its chat template."""
        tokenizer = make_tokenizer(
            self.kind,
            self.specials,
            eos=self.eos,
            bos=self.bos,
            pad=self.pad,
            adds_bos=self.adds_bos,
            plain=self.plain,
        )
        tokenizer.chat_template = self.template
        return tokenizer

    def build(self, folder: Path, seed: int = 0) -> Path:
        """Save a random model and its tokenizer to `folder` and return that folder."""
        tokenizer = self.tokenizer()
        ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (self.bos, self.eos, self.pad) if name}
        about = {
            "vocab_size": -(-len(tokenizer) // 8) * 8,
            "bos_token_id": ids.get(self.bos),
            "eos_token_id": ids[self.eos],
            "pad_token_id": ids.get(self.pad),
            "initializer_range": SPREAD,
        }
        shape = dict(SHAPES[self.model_type])
        if "text_config" in shape:
            shape["text_config"] = {**shape["text_config"], **about}
            about = {name: value for name, value in about.items() if name != "vocab_size"}
        if self.model_type == "gemma4_text":
            about["vocab_size_per_layer_input"] = about["vocab_size"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = AutoConfig.for_model(self.model_type, **shape, **about)
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        ends = [tokenizer.convert_tokens_to_ids(name) for name in self.ends or (self.eos,)]
        model.generation_config.eos_token_id = ends
        favour(model, ends)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder


@torch.no_grad()
def favour(model: PreTrainedModel, tokens: list[int]) -> None:
    """Point the output weights of these tokens to the mean last state, as far as it makes them likely enough."""
    ids = torch.randperm(200, generator=torch.Generator().manual_seed(0))[None] + 10
    states: list[torch.Tensor] = []
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, given: states.append(given[0]))
    model(input_ids=ids)
    hook.remove()
    mean = states[0][0].mean(0)
    for logit in range(1, 20):
        head.weight[tokens] = logit * mean / mean.square().sum()
        if model(input_ids=ids).logits[0].softmax(-1)[:, tokens].sum(-1).mean() > END_SHARE:
            return

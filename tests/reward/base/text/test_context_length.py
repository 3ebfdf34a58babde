# SPDX-License-Identifier: Apache-2.0
"""The context of models that do not state it as most do."""

from __future__ import annotations

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from reward.base.text.context_length import ContextLength, stated_context
from reward.base.text.encoding import Encoding
from tests.support.tiny_model import make_tiny_tokenizer

SMALL = {"vocab_size": 320, "bos_token_id": None, "pad_token_id": None, "eos_token_id": 0}
SHAPES = {
    "bloom": {"hidden_size": 32, "n_layer": 1, "n_head": 2},
    "mpt": {"d_model": 32, "n_layers": 1, "n_heads": 2, "max_seq_len": 96},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 4},
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "state_size": 4,
        "num_heads": 4,
        "head_dim": 16,
        "n_groups": 1,
    },
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 80},
}


@pytest.mark.parametrize(
    ("kind", "limit", "expected"),
    [
        ("bloom", None, (2048, "")),
        ("bloom", 512, (512, "model_max_length")),
        ("mpt", 512, (96, "max_seq_len")),
        ("mamba", None, (2048, "")),
        ("mamba2", None, (2048, "")),
        ("gpt2", None, (80, "max_position_embeddings")),
    ],
)
def test_a_model_without_a_stated_context_gets_the_tokenizer_s_or_an_assumed_one(kind, limit, expected):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **SHAPES[kind]))
    tokenizer = make_tiny_tokenizer()
    if limit:
        tokenizer.model_max_length = limit
    encoding = Encoding.of(model, tokenizer)
    assert (encoding.context, encoding.context_source) == expected


def test_numbers_that_state_no_limit_are_passed_over():
    config = {"max_position_embeddings": -1, "n_positions": None, "seq_length": 4096, "n_ctx": True}
    assert stated_context(config.get) == ContextLength(4096, "seq_length")
    assert stated_context({}.get, 10**30) is None

# SPDX-License-Identifier: Apache-2.0
"""Random two-layer models of the families whose layers differ from a Llama's, with the tokenizer of `tiny_model`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.support.tiny_model import make_tiny_tokenizer

SHARED: dict[str, Any] = {"vocab_size": 320, "pad_token_id": 3, "bos_token_id": None, "eos_token_id": 0}
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
}
BARE = {name: value for name, value in SMALL.items() if name != "head_dim"}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "granite": ("granite", BARE),
    "cohere2": ("cohere2", SMALL),
    "lfm2": ("lfm2", BARE | {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8}),
    "gemma4": (
        "gemma4_text",
        SMALL
        | {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 320, "global_head_dim": 16}
        | {"num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "llama4": (
        "llama4_text",
        SMALL
        | {"intermediate_size_mlp": 64, "num_local_experts": 4, "num_experts_per_tok": 1}
        | {"interleave_moe_layer_step": 1},
    ),
    "qwen3moe": ("qwen3_moe", SMALL | EXPERTS),
    "qwen3next": (
        "qwen3_next",
        SMALL
        | EXPERTS
        | {"shared_expert_intermediate_size": 16, "layer_types": ["linear_attention", "full_attention"]}
        | {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
        | {"linear_key_head_dim": 16, "linear_value_head_dim": 16},
    ),
    "deepseek3": (
        "deepseek_v3",
        BARE
        | {"num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
        | {"n_group": 2, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 16, "kv_lora_rank": 16}
        | {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16},
    ),
    "falcon-h1": (
        "falcon_h1",
        SMALL
        | {"mamba_d_ssm": 32, "mamba_n_heads": 2, "mamba_d_head": 16, "mamba_n_groups": 1}
        | {"mamba_d_state": 16, "mamba_chunk_size": 16},
    ),
    "jamba": (
        "jamba",
        BARE
        | {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
        | {"num_experts": 4, "num_experts_per_tok": 2, "mamba_d_state": 8, "mamba_dt_rank": 8},
    ),
    "opt350": (
        "opt",
        {"hidden_size": 64, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2}
        | {"num_attention_heads": 2, "do_layer_norm_before": False, "max_position_embeddings": 256},
    ),
    "mamba2": (
        "mamba2",
        {"hidden_size": 32, "num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1, "chunk_size": 16}
        | {"num_hidden_layers": 2},
    ),
    "mamba": ("mamba", {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2}),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
}


def random_family(kind: str, seed: int = 0) -> PreTrainedModel:
    """Return a random causal LM of the family in eval mode, with widely spread weights."""
    family, shape = FAMILIES[kind]
    config = AutoConfig.for_model(family, **{**SHARED, "initializer_range": 0.2, **shape})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).float().eval()


def make_family(kind: str, folder: Path) -> Path:
    """Save such a model and its tokenizer to `folder` and return that folder."""
    random_family(kind).save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    return folder

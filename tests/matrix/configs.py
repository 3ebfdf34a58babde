# SPDX-License-Identifier: Apache-2.0
"""The least configuration of each family: 2 layers of width 32, or one layer of each kind that the family has."""

from __future__ import annotations

from typing import Any

CONTEXT = 256
HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
DECODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "max_position_embeddings": CONTEXT,
    **HEADS,
}
SLIDING = {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]}
LINEAR_ATTENTION = {
    "head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
GEMMA3 = {**DECODER, **SLIDING, "head_dim": 8, "query_pre_attn_scalar": 8}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}

SHAPES: dict[str, dict[str, Any]] = {
    "llama": DECODER,
    "llama4_text": {
        **DECODER,
        "head_dim": 8,
        "intermediate_size_mlp": 64,
        "num_local_experts": 4,
        "interleave_moe_layer_step": 2,
        "no_rope_layers": [1, 0],
        "attention_chunk_size": 32,
    },
    "qwen2": DECODER,
    "qwen3": {**DECODER, "head_dim": 8},
    "qwen3_moe": {**DECODER, **EXPERTS, "head_dim": 8},
    "qwen3_next": {**DECODER, **EXPERTS, **LINEAR_ATTENTION, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": {**DECODER, **LINEAR_ATTENTION},
    "gemma2": {**DECODER, **SLIDING, "head_dim": 8, "query_pre_attn_scalar": 8},
    "gemma3_text": GEMMA3,
    "gemma3": {"text_config": GEMMA3, "vision_config": VISION, "mm_tokens_per_image": 4},
    "gemma4_text": {
        **DECODER,
        "num_hidden_layers": 4,
        "head_dim": 8,
        "sliding_window": 32,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "final_logit_softcapping": 30.0,
    },
    "mistral": {**DECODER, "sliding_window": 32},
    "phi3": {**DECODER, "original_max_position_embeddings": CONTEXT},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT},
    "gpt_neox": {**DECODER, "num_key_value_heads": None},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 16,
        "do_layer_norm_before": False,
        "max_position_embeddings": CONTEXT,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT},
    "falcon": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
    },
    "olmo2": DECODER,
    "granite": {**DECODER, "logits_scaling": 2.0, "embedding_multiplier": 6.0, "residual_multiplier": 0.5},
    "smollm3": {**DECODER, "no_rope_layers": [1, 0]},
    "deepseek_v3": {
        **DECODER,
        "num_key_value_heads": 4,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
    },
    "cohere2": {**DECODER, **SLIDING, "logit_scale": 0.5},
    "glm4": {**DECODER, "head_dim": 8},
    "exaone4": {**DECODER, **SLIDING},
    "gpt_oss": {**DECODER, **SLIDING, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    "lfm2": {**DECODER, "layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_heads": 8,
        "head_dim": 8,
        "state_size": 8,
        "n_groups": 2,
        "chunk_size": 16,
    },
    "jamba": {
        **DECODER,
        "num_experts": 4,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "use_mamba_kernels": False,
    },
    "falcon_h1": {
        **DECODER,
        "mamba_d_ssm": 64,
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_chunk_size": 16,
        "lm_head_multiplier": 0.5,
    },
}
"""The model type in transformers -> the arguments of its configuration, apart from the vocabulary."""

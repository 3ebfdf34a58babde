# SPDX-License-Identifier: Apache-2.0
"""Decoding as on an accelerator, tried on a CPU: in blocks, in fixed shapes, and by a recorded step."""

from __future__ import annotations

import logging

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from reward.base.frozen_base import Base
from rlhf.sampling import decoding
from rlhf.sampling.attention_masks import takes_prepared_masks
from rlhf.sampling.decoding import DecodePlan
from rlhf.sampling.fixed_batch import FixedBatch
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.support.tiny_model import TEXTS, make_tiny_tokenizer

LIMIT = 40
SHARED = {"vocab_size": 320, "pad_token_id": 3, "bos_token_id": None, "eos_token_id": [0, *range(16, 320, 12)]}
DECODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
}
WINDOW = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 256}
PREPARED = {
    "llama": ("llama", DECODER),
    "qwen3": ("qwen3", DECODER | {"head_dim": 16}),
    "qwen3 with windows": ("qwen3", DECODER | WINDOW | {"head_dim": 16, "use_sliding_window": True}),
    "qwen3_moe": ("qwen3_moe", DECODER | EXPERTS | {"head_dim": 16}),
    "gemma2": ("gemma2", DECODER | WINDOW | {"head_dim": 16, "query_pre_attn_scalar": 16}),
    "gemma3": ("gemma3_text", DECODER | WINDOW | {"head_dim": 16, "query_pre_attn_scalar": 16}),
    "gemma4": (
        "gemma4_text",
        DECODER | WINDOW | {"head_dim": 16, "global_head_dim": 16, "num_kv_shared_layers": 0}
        | {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 320},
    ),
    "mistral": ("mistral", DECODER | {"sliding_window": 8}),
    "phi3": ("phi3", DECODER | {"original_max_position_embeddings": 256}),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}),
    "gpt_neox": ("gpt_neox", DECODER | {"num_key_value_heads": None}),
    "opt": ("opt", FALCON | {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "falcon": ("falcon", FALCON),
    "cohere2": ("cohere2", DECODER | WINDOW),
    "gpt_oss": ("gpt_oss", DECODER | WINDOW | {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "deepseek_v3": (
        "deepseek_v3",
        DECODER
        | {"num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
        | {"n_group": 2, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 16, "kv_lora_rank": 16}
        | {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16},
    ),
}  # fmt: skip
NOT_PREPARED = {
    "falcon with alibi": ("falcon", FALCON | {"alibi": True}),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
    "mpt": ("mpt", {"d_model": 32, "n_layers": 2, "n_heads": 2}),
    "lfm2": ("lfm2", DECODER | {"layer_types": ["conv", "full_attention"]}),
    "llama4": (
        "llama4_text",
        DECODER | {"head_dim": 16, "intermediate_size_mlp": 64, "num_local_experts": 4, "attention_chunk_size": 8},
    ),
}


def model_of(kind: str, shape: dict):
    config = AutoConfig.for_model(kind, **{**SHARED, "initializer_range": 0.2, **shape})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).float().eval()


def base_of(name: str, folder) -> Base:
    model = model_of(*(PREPARED | NOT_PREPARED)[name])
    model.save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    return Base.load(folder)


def answers(base: Base, monkeypatch, plan: DecodePlan, size: int = 3):
    """Return a rollout of 12 uneven prompts, some of them twice: rows are taken over, and rows leave."""
    prompts = [base.encode_prompt(text[: 7 * number + 5]) for number, text in enumerate(TEXTS * 2)]
    prompts += [prompts[2], prompts[2]]
    noise = draw_uniforms(3, 0, range(len(prompts)), LIMIT)
    monkeypatch.setattr(DecodePlan, "of", classmethod(lambda cls, base: plan))
    return generate(base, prompts, noise, max_new_tokens=LIMIT, banned=banned_ids(base), batch_size=size)


def assert_alike(one, other):
    assert one.ids == other.ids
    assert one.ended == other.ended
    for mine, theirs in zip(one.logps, other.logps, strict=True):
        assert mine == pytest.approx(theirs, abs=2e-5)


def fixed_steps(monkeypatch) -> list[int]:
    """Return a list that gets the number of rows of every step in fixed shape."""
    steps, step = [], FixedBatch.step
    monkeypatch.setattr(FixedBatch, "step", lambda batch: (steps.append(len(batch.rows)), step(batch))[1])
    return steps


@pytest.mark.parametrize("block", [2, 5, 16, 64])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_length_of_a_block_changes_no_answer(block, fixed, tmp_path, monkeypatch):
    base = base_of("llama", tmp_path)
    expected = answers(base, monkeypatch, DecodePlan())
    assert len({len(ids) for ids in expected.ids}) > 4
    assert_alike(answers(base, monkeypatch, DecodePlan(block, fixed)), expected)


@pytest.mark.parametrize("name", PREPARED)
def test_fixed_shapes_give_the_same_answers(name, tmp_path, monkeypatch, caplog):
    base = base_of(name, tmp_path)
    assert takes_prepared_masks(base.causal)
    expected, steps = answers(base, monkeypatch, DecodePlan()), fixed_steps(monkeypatch)
    with caplog.at_level(logging.WARNING, "rlhf"):
        assert_alike(answers(base, monkeypatch, DecodePlan(block=4, fixed=True)), expected)
    assert "decoding without" not in caplog.text
    assert 3 in steps


@pytest.mark.parametrize("name", NOT_PREPARED)
def test_other_models_decode_with_the_mask_of_used_slots(name):
    assert not takes_prepared_masks(model_of(*NOT_PREPARED[name]))


def test_a_model_that_computes_other_logits_from_prepared_masks_falls_back(tmp_path, monkeypatch, caplog):
    """Falcon's alibi comes from the mask of used slots."""
    base = base_of("falcon with alibi", tmp_path)
    expected, steps = answers(base, monkeypatch, DecodePlan()), fixed_steps(monkeypatch)
    with caplog.at_level(logging.WARNING, "rlhf"):
        assert_alike(answers(base, monkeypatch, DecodePlan(block=4, fixed=True)), expected)
    assert "decoding without fixed shapes" in caplog.text
    assert not steps


def test_eager_attention_takes_additive_masks(tmp_path, monkeypatch):
    base = base_of("gemma2", tmp_path)
    base.causal.set_attn_implementation("eager")
    expected, steps = answers(base, monkeypatch, DecodePlan()), fixed_steps(monkeypatch)
    assert_alike(answers(base, monkeypatch, DecodePlan(block=4, fixed=True)), expected)
    assert steps


def test_a_recorded_step_is_used_once_per_shape(tmp_path, monkeypatch):
    base, captured, replays = base_of("llama", tmp_path), [], []

    def record(step):
        """Run warm-up steps, as a CUDA graph does."""
        step()
        step()
        captured.append(step)
        return lambda: (replays.append(1), step())

    expected, steps = answers(base, monkeypatch, DecodePlan()), fixed_steps(monkeypatch)
    assert_alike(answers(base, monkeypatch, DecodePlan(4, fixed=True, capture=record)), expected)
    assert len(captured) == len(set(steps)) == 2
    assert len(replays) == len(steps)  # the first step of a shape is replayed for the comparison


def raising(step):
    step()
    raise RuntimeError("operation not permitted when stream is capturing")


def idle(step):
    return lambda: None


def doubled(step):
    return lambda: (step(), step())


@pytest.mark.parametrize("capture", [raising, idle, doubled])
def test_a_recording_that_fails_or_differs_is_not_used(capture, tmp_path, monkeypatch, caplog):
    base = base_of("llama", tmp_path)
    expected = answers(base, monkeypatch, DecodePlan())
    with caplog.at_level(logging.WARNING, "rlhf"):
        assert_alike(answers(base, monkeypatch, DecodePlan(4, fixed=True, capture=capture)), expected)
    assert "decoding without a CUDA graph" in caplog.text


def test_a_cpu_looks_after_every_token_and_an_accelerator_after_sixteen(tmp_path):
    base = base_of("llama", tmp_path)
    assert DecodePlan.of(base) == DecodePlan(block=1, fixed=False, capture=None)
    base.causal.to("meta")
    assert DecodePlan.of(base) == DecodePlan(block=decoding.BLOCK, fixed=True, capture=None)

# SPDX-License-Identifier: Apache-2.0
"""Weights during sampling: merged adapters and bfloat16 leave no trace."""

from __future__ import annotations

import pytest
import torch

from reward.base.merging import merged_adapter
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate, in_bfloat16
from tests.support.sampled_answers import LIMIT, PROMPTS, base_with_policy, plain_logps, sample


@pytest.fixture(params=["llama", "gpt2"])
def base(request, tmp_path):
    return base_with_policy(request.param, tmp_path)


def test_check_32_merged_weights_are_restored_bit_by_bit(base):
    before = {name: value.clone() for name, value in base.causal.state_dict().items()}
    with base.role("policy"):
        with merged_adapter(base):
            assert any(not torch.equal(value, before[name]) for name, value in base.causal.state_dict().items())
        with pytest.raises(RuntimeError), merged_adapter(base):
            raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in base.causal.state_dict().items())


def test_sampling_in_bfloat16_restores_every_weight(base):
    before = {name: value.clone() for name, value in base.causal.state_dict().items()}
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), bf16=True)
    with in_bfloat16(base):
        assert {value.dtype for value in base.causal.base_model.state_dict().values()} == {
            torch.float32,
            torch.bfloat16,
        }
    with pytest.raises(RuntimeError), in_bfloat16(base):
        raise RuntimeError
    assert "forward" not in vars(base.causal.get_output_embeddings())
    assert all(
        torch.equal(value, before[name]) and value.dtype == before[name].dtype
        for name, value in base.causal.state_dict().items()
    )


def test_sampling_in_bfloat16_agrees_with_a_training_pass_in_bfloat16(base):
    """The two passes round independently, so their difference is about 1.4 times the error of one."""
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    rollout = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), bf16=True)
    whole = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT))
    assert rollout.logps[0][0] != whole.logps[0][0]
    rounded = [
        plain_logps(base, prompt, answer, bf16=True) for prompt, answer in zip(prompts, rollout.ids, strict=True)
    ]
    exact = [plain_logps(base, prompt, answer) for prompt, answer in zip(prompts, rollout.ids, strict=True)]
    off, cost = (
        (torch.cat(rounded) - torch.cat(given)).abs() for given in ([torch.tensor(row) for row in rollout.logps], exact)
    )
    assert off.mean() < 2 * cost.mean()


@pytest.mark.parametrize("bf16", [False, True])
def test_a_model_that_changes_its_logits_is_sampled_from_them(base, bf16):
    """Doubled logits equal a temperature of one half."""
    prompts, noise = [base.encode_prompt(text) for text in PROMPTS], draw_uniforms(0, 0, range(5), LIMIT)
    expected = sample(base, prompts, noise, temperature=0.5, bf16=bf16)

    def doubled(model, given, reply):
        reply.logits = 2 * reply.logits
        return reply

    hook = base.causal.register_forward_hook(doubled)
    doubled_rollout = sample(base, prompts, noise, bf16=bf16)
    hook.remove()
    assert doubled_rollout.ids == expected.ids


def test_the_bare_base_and_the_policy_answer_differently(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    noise = draw_uniforms(0, 0, range(5), LIMIT)
    bare = generate(base, prompts, noise, max_new_tokens=LIMIT, banned=banned_ids(base))
    assert bare.ids != sample(base, prompts, noise).ids

# SPDX-License-Identifier: Apache-2.0
"""Inputs of the trainer: LoRA configurations, datasets, missing prompts and quantised layers."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig

from data.errors import BadInput
from reward.base.merging import merged_adapter
from rlhf import PPOTrainer
from tests.support.ppo_parts import (
    PROMPTS,
    ppo_config,
    ppo_trainer,
    shake,
    share_of_letters,
)


def test_a_lora_configuration_stands_in_for_a_starting_folder(base, tmp_path):
    given = {"args": ppo_config(tmp_path), "train_dataset": PROMPTS}
    with pytest.raises(BadInput, match="start=.* and a peft_config"):
        PPOTrainer(base, share_of_letters, **given, start=tmp_path, peft_config=LoraConfig(r=3))
    trainer = PPOTrainer(base, share_of_letters, **given, peft_config=LoraConfig(r=3, target_modules=["q_proj"]))
    assert trainer.reference is None
    assert {min(matrix.shape) for matrix in base.parameters("policy")} == {3}
    assert len(base.parameters("policy")) == 4  # A and B in each of two layers


@pytest.mark.parametrize("conversation", [False, True])
def test_prompts_may_be_a_dataset(base, tmp_path, conversation):
    rows = [row["prompt"] for row in PROMPTS]
    data = Dataset.from_dict(
        {"prompt": [[{"role": "user", "content": text}] for text in rows] if conversation else rows, "extra": rows}
    )
    scored_prompts = []

    def recording_reward(prompts, answers):
        scored_prompts.extend(prompts)
        return [0.0] * len(answers)

    trainer = ppo_trainer(
        base, ppo_config(tmp_path), reward=recording_reward, train=data, held_out=data.select(range(3))
    )
    trainer.train()
    assert scored_prompts[0] == data[0]["prompt"]
    assert trainer.prompts == [base.encode_prompt(text) for text in rows]


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], "0 rows"),
        ([{"question": "Hi."}], r"no 'prompt' but \['question'\]"),
        ([*PROMPTS[:2], {"prompt": ""}], "row 2 .* has the prompt ''"),
    ],
)
def test_prompts_that_are_missing_are_named(base, tmp_path, rows, error):
    with pytest.raises(BadInput, match=error) as refused:
        ppo_trainer(base, ppo_config(tmp_path), train=rows)
    assert refused.value.field == "train_dataset"


class Packed(torch.nn.Parameter):
    """A parameter class of its own, as quantised layers have."""


def test_quantised_layers_are_sampled_with_their_adapters_active(base, tmp_path):
    base.add_adapter("policy", trainable=True)
    shake(base, "policy")
    layers = [module.base_layer for name, module in base.causal.named_modules() if name.endswith(("q_proj", "v_proj"))]
    for layer in layers:
        layer.weight = Packed(layer.weight.data, requires_grad=False)
    before = [layer.weight.clone() for layer in layers]
    ids, mask = base.collate([[5, 6, 7], [8, 9]])
    with base.role("policy"), torch.no_grad():
        apart = base.hidden(ids, mask)
        with merged_adapter(base):
            assert all(torch.equal(layer.weight, old) for layer, old in zip(layers, before, strict=True))
            assert torch.allclose(base.hidden(ids, mask)[mask], apart[mask], atol=1e-4)

# SPDX-License-Identifier: Apache-2.0
"""Arguments that all trainers share. `test_lora_targets` shows that each matrix of a LoRA gets a gradient in a pass."""

from __future__ import annotations

import pytest
import torch

from reward.training.arguments import trainer_arguments
from rlhf.methods.dpo_trainer import dpo_config
from rlhf.methods.sft import build_trainer
from rlhf.methods.sft_rows import tokenize
from rlhf.settings import DPOSettings, SFTSettings
from tests.support.ppo_parts import tiny_base

CPU = torch.device("cpu")


@pytest.mark.parametrize(("finetuning", "looks"), [("lora", False), ("full", True)])
def test_ddp_looks_for_unused_weights_only_where_all_weights_are_trained(tmp_path, finetuning, looks):
    assert trainer_arguments(tmp_path, SFTSettings(), CPU)["ddp_find_unused_parameters"] is False
    config = dpo_config(tmp_path, DPOSettings(finetuning=finetuning), 8, CPU, watching=False)
    assert config.ddp_find_unused_parameters is looks
    base = tiny_base("llama", tmp_path)
    data, _ = tokenize(base, ["Say hello."], ["Hello."])
    model = base.causal.requires_grad_(looks)
    trainer = build_trainer(tmp_path, SFTSettings(finetuning=finetuning), model, base, data)
    assert trainer.args.ddp_find_unused_parameters is looks

# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are complete or ignored, also when memory runs out."""

from __future__ import annotations

import json

import pytest
import torch
from peft import LoraConfig
from transformers import TrainerCallback

from data.errors import BadInput
from rlhf.ppo.checkpoint import STATE, last_checkpoint
from rlhf.ppo.out_of_memory import explain_out_of_memory
from tests.support.ppo_parts import (
    ppo_config,
    ppo_trainer,
    tiny_base,
)


def test_a_checkpoint_half_written_is_passed_over(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=3, save_strategy="steps"))
    trainer.train()
    folder = tmp_path / "ppo"
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == [
        "checkpoint-12",
        "checkpoint-8",
    ]  # the two newest
    assert last_checkpoint(folder) == folder / "checkpoint-12"
    assert json.loads((folder / "checkpoint-12" / STATE).read_text())["kl_coef"] == trainer.ppo_state.kl_coef
    (folder / "checkpoint-12" / STATE).unlink()
    assert last_checkpoint(folder) == folder / "checkpoint-8"
    assert last_checkpoint(tmp_path / "nothing") is None


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    trainer = ppo_trainer(tiny_base("llama", tmp_path), ppo_config(tmp_path, save_strategy="steps"))
    trainer.train()
    other = ppo_trainer(
        tiny_base("llama", tmp_path), ppo_config(tmp_path), start=LoraConfig(r=2, target_modules="all-linear")
    )
    with pytest.raises(BadInput, match="another shape"):
        other.train(resume_from_checkpoint=str(tmp_path / "ppo" / "checkpoint-4"))


def gpu_is_full() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("allocate", [gpu_is_full, lambda: torch.empty(2**55)], ids=["of a GPU", "of a CPU, for real"])
def test_out_of_memory_names_the_sizes_to_lower_and_leaves_the_last_checkpoint_whole(base, tmp_path, allocate):
    class InTheSecondUpdate(TrainerCallback):
        def on_step_begin(self, args, state, control, **_) -> None:
            if state.global_step == 5:
                allocate()

    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, save_strategy="steps"))
    trainer.add_callback(InTheSecondUpdate())
    with pytest.raises(
        BadInput, match=r"Lower per_device_train_batch_size \(4\).* or lower rollout_batch_size \(8\)"
    ) as refused:
        trainer.train()
    assert refused.value.field == "per_device_train_batch_size"
    assert last_checkpoint(tmp_path / "ppo").name == "checkpoint-4"


def test_another_error_keeps_its_own_name(tmp_path):
    with pytest.raises(RuntimeError, match="shapes differ"), explain_out_of_memory(ppo_config(tmp_path)):
        raise RuntimeError("shapes differ")

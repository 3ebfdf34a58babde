# SPDX-License-Identifier: Apache-2.0
"""Host synchronisations of PPO's updates, counted on a CPU."""

from __future__ import annotations

from collections import Counter

import pytest
from peft import LoraConfig
from transformers import TrainerCallback

from tests.gpu.host_syncs import HostSyncs
from tests.support.ppo_parts import ppo_config, ppo_trainer, tiny_base


class StepSyncs(TrainerCallback):
    """Counts the synchronisations of all optimizer steps but the first of an update, which samples."""

    def __init__(self, syncs: HostSyncs) -> None:
        self.syncs, self.steps, self.sites, self.before = syncs, 0, Counter(), Counter()

    def on_step_begin(self, *_, **__) -> None:
        self.before = self.syncs.sites.copy()

    def on_step_end(self, args, state, *_, **__) -> None:
        if (state.global_step - 1) % args.steps_per_update:
            self.steps += 1
            self.sites += self.syncs.sites - self.before


def ppo_syncs(folder, start=None, **options) -> tuple[HostSyncs, StepSyncs]:
    trainer = ppo_trainer(tiny_base("llama", folder), ppo_config(folder, updates=2, **options), start=start)
    syncs = HostSyncs()
    steps = StepSyncs(syncs)
    trainer.add_callback(steps)
    with syncs:
        trainer.train()
    return syncs, steps


UPPER_LAYER = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], layers_to_transform=[1], task_type="CAUSAL_LM")


@pytest.mark.parametrize("start", [None, UPPER_LAYER], ids=["all layers", "above a frozen trunk"])
def test_no_training_pass_of_ppo_waits_for_the_host(start, tmp_path):
    _, steps = ppo_syncs(tmp_path, start)
    assert steps.steps == 6
    assert not steps.sites


def test_an_update_waits_as_often_whatever_the_number_of_its_passes_and_matrices(tmp_path):
    """Sampling apart, where the CPU of this test looks at every token."""
    waits = [
        Counter(site.split(":")[0] for site in ppo_syncs(tmp_path, **options)[0].sites.elements())
        for options in (
            {"per_device_train_batch_size": 4},
            {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        )
    ]
    assert waits[0] == waits[1]
    assert waits[0]["ppo/collector.py"] == 3  # two updates, and the last policy

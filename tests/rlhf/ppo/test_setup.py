# SPDX-License-Identifier: Apache-2.0
"""The configuration is frozen, the parts are wired apart from the trainer, and a checkpoint holds exactly the state."""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import FrozenInstanceError, fields

import pytest

from rlhf import PPOConfig, PPOTrainer
from rlhf.ppo.checkpoint import BEST, HEAD, STATE, PPOState
from rlhf.ppo.setup import build
from tests.support import ROOT
from tests.support.ppo_parts import PROMPTS, ppo_config, ppo_trainer, share_of_letters, tiny_base

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(4)]


def test_nothing_writes_into_the_given_configuration(tmp_path):
    config = ppo_config(tmp_path, updates=2, save_strategy="steps")
    before = dict(vars(config))
    trainer = ppo_trainer(tiny_base("llama", tmp_path), config, held_out=HELD_OUT)
    trainer.train()
    assert dict(vars(config)) == before
    assert (config.critic, trainer.args.critic) == ("auto", "joint")
    assert (trainer.args.max_steps, str(trainer.args.eval_strategy.value)) == (2 * config.steps_per_update, "steps")


def test_a_setting_of_ppo_cannot_be_changed_after_construction(tmp_path):
    config = PPOConfig(str(tmp_path), use_cpu=True)
    with pytest.raises(FrozenInstanceError, match="'kl_coef': PPOConfig is frozen"):
        config.kl_coef = 0.2
    assert config.kl_coef == 0.05


@pytest.mark.parametrize("path", sorted((ROOT / "rlhf" / "ppo").glob("*.py")), ids=lambda path: path.name)
def test_no_module_assigns_to_the_arguments(path):
    targets = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)
    ]
    assert [target for target in targets if target.startswith(("args.", "self.args.", "config."))] == []


def test_the_constructor_takes_at_most_six_arguments():
    assert len(inspect.signature(PPOTrainer).parameters) <= 6


def test_an_argument_that_neither_ppo_nor_transformers_knows_is_refused(tmp_path):
    with pytest.raises(TypeError, match="rewards"):
        PPOTrainer(
            tiny_base("llama", tmp_path), share_of_letters, ppo_config(tmp_path), train_dataset=PROMPTS, rewards=1
        )


def test_scorer_and_guard_share_their_unit_with_the_state(tmp_path):
    setup = build(
        tiny_base("llama", tmp_path), share_of_letters, ppo_config(tmp_path), PROMPTS, HELD_OUT, guard=share_of_letters
    )
    setup.validation.answer_as_reference()
    assert setup.state.reward_unit is setup.scorer.unit
    assert setup.state.guard is setup.guard.state
    assert setup.state.guard.unit.offset == setup.scorer.unit.offset != 0.0
    assert setup.state.best.update == setup.state.guard.best.update == 0


def test_the_trainer_drives_the_parts_of_the_setup_and_adds_no_state(tmp_path):
    setup = build(tiny_base("llama", tmp_path), share_of_letters, ppo_config(tmp_path), PROMPTS, HELD_OUT)
    assert setup.validation.state is setup.state
    assert setup.collector.scorer is setup.scorer
    trainer = ppo_trainer(tiny_base("llama", tmp_path / "other"), ppo_config(tmp_path), held_out=HELD_OUT)
    assert trainer.validation.state is trainer.ppo_state
    assert trainer.collector.scorer is trainer.scorer
    assert {field.name for field in fields(PPOState)} == {"kl_coef", "reward_unit", "guard", "best"}


def test_a_checkpoint_restores_the_whole_state(tmp_path):
    config = ppo_config(tmp_path, save_strategy="steps", kl_target=0.05)
    trainer = ppo_trainer(tiny_base("llama", tmp_path), config, held_out=HELD_OUT)
    trainer.train()
    checkpoint = tmp_path / "ppo" / "checkpoint-4"
    assert {STATE, BEST, HEAD} <= {path.name for path in checkpoint.iterdir()}
    other = ppo_trainer(tiny_base("llama", tmp_path), config, held_out=HELD_OUT)
    other._load_from_checkpoint(str(checkpoint))
    assert other.ppo_state.numbers() == trainer.ppo_state.numbers()
    assert other.ppo_state.best.weights.keys() == trainer.ppo_state.best.weights.keys()


def test_a_checkpoint_holds_the_state_and_nothing_else(tmp_path):
    """The keys are those of earlier versions, so their checkpoints are read."""
    trainer = ppo_trainer(tiny_base("llama", tmp_path), ppo_config(tmp_path, save_strategy="steps"), held_out=HELD_OUT)
    trainer.train()
    written = json.loads((tmp_path / "ppo" / "checkpoint-4" / STATE).read_text())
    assert written.keys() == {"kl_coef", "offset", "scale", "guard", "best", "made_with"}
    identity = written.pop("made_with")
    assert {"seed", "rollout_batch_size", "minibatch_size", "num_ppo_epochs", "critic", "guard"} < identity.keys()
    assert written == trainer.ppo_state.numbers()

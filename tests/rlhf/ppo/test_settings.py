# SPDX-License-Identifier: Apache-2.0
"""The settings of a PPO run: ranges and sizes are checked before it is queued, and every option reaches the trainer."""

from __future__ import annotations

from dataclasses import fields

import pytest
from annotated_types import Ge

from data.errors import BadInput
from data.settings import as_dict, parse_settings
from reward.base import memory
from reward.base.frozen_base import Base
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.run import make_config, rows_in_memory
from rlhf.ppo.settings import PPOSettings
from rlhf.runs.launch import launch
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def home(tmp_path):
    """A bare base as the only policy, and a reward model on the same base."""
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("batch_size=16", "batch_size=16 is not a multiple of minibatch=32. Give a batch_size of 32 or 64."),
        ("batch_size=33", "batch_size=33 is not a multiple of minibatch=32. Give a batch_size of 32 or 64."),
        ("batch_size=0", "batch_size=0 is out of range. Give at least 1."),
        ("minibatch=48", "batch_size=128 is not a multiple of minibatch=48. Give a batch_size of 96 or 144."),
        (
            "per_device_batch_size=5",
            "per_device_batch_size=5 does not divide minibatch=32. Give a divisor, or 0 for automatic.",
        ),
        ("dual_clip=1", "dual_clip=1 is not above 1. Give 0 (off) or 3."),
        ("max_steps=0", "max_steps=0 is out of range. Give at least 1."),
        ("rank=0", "rank=0 is out of range. Give at least 1 and at most 1024."),
        ("temperature=0", "temperature=0 is out of range. Give at least 0.01 and at most 10.0."),
        ("kl_coef=-0.1", "kl_coef=-0.1 is out of range. Give at least 0.0 and at most 1000.0."),
        ("seed=-1", "seed=-1 is out of range. Give at least 0 and at most 4294967295."),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_queued(home, setting, says):
    with pytest.raises(BadInput) as refused:
        launch(home, "ppo", [setting], by="test")
    assert str(refused.value).replace(f" (field {refused.value.field!r})", "").rstrip(".") == says.rstrip(".")
    assert refused.value.field == setting.partition("=")[0]
    assert home.runs.all() == []


def test_every_number_has_its_range_and_every_default_lies_in_it():
    numbers = {name: field for name, field in PPOSettings.model_fields.items() if field.annotation in (int, float)}
    assert [name for name, field in numbers.items() if not any(isinstance(rule, Ge) for rule in field.metadata)] == []
    assert parse_settings(PPOSettings, as_dict(PPOSettings())) == PPOSettings()


def test_defaults_train_as_the_trainers_own(tmp_path):
    """Two passes of 16 answers in a step of 32, on any machine with enough memory. The trainer alone has a critic."""
    config, own = make_config(PPOSettings(), tmp_path), PPOConfig(str(tmp_path), use_cpu=True, disable_tqdm=True)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (16, 2)
    differ = {field.name for field in fields(PPOConfig) if getattr(config, field.name) != getattr(own, field.name)}
    assert differ <= {"estimator", "max_steps", "seed", "logging_dir"}
    assert (config.estimator, own.estimator) == ("group", "gae")


def test_every_option_of_the_trainer_reaches_it(tmp_path):
    chosen = {
        "length_penalty": 0.5,
        "length_free": 3,
        "reward_clip": 4.0,
        "kl_estimator": "k3",
        "kl_horizon": 64.0,
        "dual_clip": 3.0,
        "target_kl": 0.2,
        "whiten_rewards": True,
        "whiten_advantages": False,
        "gamma": 0.9,
        "lam": 0.8,
        "cliprange": 0.1,
        "cliprange_value": 0.3,
        "vf_coef": 0.25,
        "importance_cap": 3.0,
        "gradient_checkpointing": True,
        "weight_decay": 0.01,
        "adam_epsilon": 1e-6,
    }
    config = make_config(PPOSettings(**chosen), tmp_path)
    assert {name: getattr(config, name) for name in chosen} == chosen
    off = make_config(PPOSettings(cliprange_value=0, importance_cap=0, warmup=0.1, minibatch=64), tmp_path)
    assert (off.cliprange_value, off.importance_cap, off.reward_clip, off.dual_clip, off.target_kl) == (None,) * 5
    assert (off.warmup_steps, off.minibatch_size) == (0.1, 64)


def test_a_training_pass_shrinks_with_the_memory_and_the_minibatch_stays(home, tmp_path, monkeypatch):
    base = Base.load(home.policies.get(1).base)
    rows = [rows_in_memory(PPOSettings(), base, 100)]
    logits = 4 * memory.LOGIT_COPIES * memory.ELEMENTS
    need = memory.bytes_per_token(base, gradients=True)
    monkeypatch.setattr(memory, "free_bytes", lambda device: logits + int(2 * 5.5 * 100 * need))
    rows += [
        rows_in_memory(PPOSettings(), base, 100),
        rows_in_memory(PPOSettings(gradient_checkpointing=True), base, 100),
        rows_in_memory(PPOSettings(per_device_batch_size=8), base, 100),
    ]
    assert rows[:2] == [16, 5]
    assert rows[2] > 5
    assert rows[3] == 8
    config = make_config(PPOSettings(), tmp_path, rows=5)
    assert (config.per_device_train_batch_size, config.minibatch_size) == (4, 32)

# SPDX-License-Identifier: Apache-2.0
"""The settings of PPO: values out of range are refused by name, and a command line can give them."""

from __future__ import annotations

import pytest
from transformers import HfArgumentParser

from data.errors import BadInput
from rlhf import PPOConfig
from rlhf.ppo.run import make_config
from rlhf.ppo.settings import PPOSettings
from tests.support.ppo_parts import (
    ppo_config,
)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"kl_estimator": "k4"}, "k1, k2, k3"),
        ({"critic": "none"}, "joint, adapter, reward"),
        ({"top_p": 0.9}, "top_p at 1.0"),
        ({"kl_coef": -0.1}, "at least 0"),
        ({"kl_target": 0.0}, "above 0"),
        ({"temperature": 0.0}, "above 0"),
        ({"gamma": 1.5}, "at least 0 and of at most 1"),
        ({"lam": float("nan")}, "Give a"),
        ({"reward_clip": 0.0}, "above 0"),
        ({"length_penalty": -1.0}, "at least 0"),
        ({"dual_clip": 1.0}, "above 1"),
        ({"target_kl": 0.0}, "above 0"),
        ({"cliprange_value": -0.2}, "above 0"),
        ({"num_ppo_epochs": 0}, "at least 1"),
        ({"max_new_tokens": 2.5}, "Give a"),
        ({"vf_coef": None}, "Give a"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_name_and_the_remedy(tmp_path, options, remedy):
    ((name, value),) = options.items()
    with pytest.raises(BadInput) as refused:
        ppo_config(tmp_path, **options)
    assert refused.value.field == name
    assert str(value) in refused.value.error
    assert remedy in refused.value.remedy


def test_the_configuration_can_be_read_from_a_command_line():
    given = ["--use_cpu", "--critic", "adapter", "--dual_clip", "3", "--center_reward", "--target_kl", "0.02"]
    (read,) = HfArgumentParser(PPOConfig).parse_args_into_dataclasses(given)
    assert (read.critic, read.dual_clip, read.center_reward, read.target_kl) == ("adapter", 3.0, True, 0.02)


@pytest.mark.parametrize("critic", ["joint", "adapter", "reward"])
def test_a_run_of_the_app_takes_the_critic_that_its_settings_name(tmp_path, critic):
    assert make_config(PPOSettings(critic=critic, estimator="gae"), tmp_path).critic == critic
    with pytest.raises(BadInput, match=f"critic={critic} was set, and estimator=group has no critic"):
        PPOSettings(critic=critic)


def test_nothing_is_reported_anywhere_unless_asked(tmp_path):
    assert ppo_config(tmp_path).report_to == []
    assert ppo_config(tmp_path).push_to_hub is False

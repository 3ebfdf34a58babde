# SPDX-License-Identifier: Apache-2.0
"""The plots of the Runs page: every metric of a run stands in one plot of one group."""

from __future__ import annotations

from labeling.texts.reader import writing_in
from labeling.texts.translate import TEXTS
from rlhf.pages.charts.groups import GROUPS, group_metrics, limits_of

PPO = [
    "approx_kl",
    "clip_fraction",
    "ended",
    "entropy",
    "episodes_per_second",
    "eval_ended",
    "eval_entropy",
    "eval_gold",
    "eval_kl",
    "eval_length",
    "eval_objective",
    "eval_reward",
    "explained_variance",
    "grad_norm",
    "kl",
    "kl_coef",
    "learning_rate",
    "length",
    "loss",
    "policy_loss",
    "ratio",
    "reward",
    "rollout_seconds",
    "sampler_difference",
    "sampler_difference_max",
    "sampler_kl",
    "sampler_outside",
    "sampler_ratio_max",
    "value_clip_fraction",
    "value_loss",
]
"""The metrics of a tour's PPO run, without the axes and the totals."""


def test_every_metric_of_a_ppo_run_stands_in_one_plot_of_a_named_group():
    groups = group_metrics([*PPO, "update", "seconds", "train_runtime", "total_flos"])
    assert list(groups) == ["reward", "loss", "policy", "value", "length", "optimizer", "speed"]
    assert sorted(metric for plots in groups.values() for plot in plots for metric in plot.metrics) == PPO
    reward = groups["reward"][0]
    assert (reward.key, reward.metrics) == ("reward", ["reward", "eval_reward"])
    assert (reward.title, reward.unit) == ("Reward of the sampled answers", "reward")


def test_a_plot_keeps_its_key_when_its_first_metric_arrives_late():
    early, late = (group_metrics(known)["policy"][0] for known in (["eval_kl"], ["eval_kl", "kl"]))
    assert (early.key, late.key) == ("kl", "kl")
    assert late.metrics == ["kl", "eval_kl"]


def test_an_unknown_metric_has_a_plot_under_its_own_name():
    groups = group_metrics(["odd_one", "loss (random)", "loss (by quality)"])
    assert groups["other"][0][:3] == ("odd_one", "odd one", "")
    assert groups["loss"][0].metrics == ["loss (by quality)", "loss (random)"]  # two trials in one plot


def test_every_group_has_a_name_in_both_languages():
    keys = [f"train.runs.group_{name}" for name in (*GROUPS, "other")]
    assert [key for key in keys if key not in TEXTS["en"] or key not in TEXTS["ko"]] == []
    with writing_in("ko"):
        assert group_metrics(["value_loss"])["value"][0].title == "가치 손실"


def test_the_budget_of_a_run_is_a_limit_of_its_kl(store):
    assert limits_of(store.runs.enqueue("ppo", {"kl_budget": 4}, "rae")) == {"kl": ("kl budget", 4.0)}
    assert limits_of(store.runs.enqueue("sft", {}, "rae")) == {}

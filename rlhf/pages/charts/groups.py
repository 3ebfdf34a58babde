# SPDX-License-Identifier: Apache-2.0
"""The plots of the Runs page: which metrics share one, its title and unit, and the group that it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from data.records import Run
from data.run_context import SECONDS
from labeling.texts.pages import text
from labeling.texts.translate import FALLBACK, TEXTS

GROUPS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "reward": (
        ("reward", "eval_reward", "eval_guard"),
        ("eval_gold",),
        ("people_win_rate",),
        ("people_verdicts",),
        ("eval_objective",),
        ("best_reward", "sampled_reward"),
        ("best_of",),
    ),
    "loss": (
        ("loss", "eval_loss"),
        ("accuracy", "eval_accuracy"),
        ("margin", "eval_margin"),
        ("reward_chosen", "reward_rejected"),
        ("mean_token_accuracy",),
    ),
    "policy": (
        ("kl", "eval_kl"),
        ("kl_charged",),
        ("kl_coef",),
        ("approx_kl",),
        ("entropy", "eval_entropy"),
        ("policy_loss",),
        ("ratio",),
        ("clip_fraction",),
        ("sampler_difference", "sampler_difference_max"),
        ("sampler_outside",),
        ("sampler_kl",),
        ("sampler_ratio_max",),
    ),
    "value": (("value_loss",), ("explained_variance",), ("value_clip_fraction",)),
    "length": (("length", "eval_length"), ("ended", "eval_ended")),
    "optimizer": (("learning_rate",), ("grad_norm",), ("optimizer_steps",)),
    "speed": (("episodes_per_second",), ("rollout_seconds",), ("num_tokens",), ("epoch",)),
}
"""The metrics of each plot by group, in the order of the page. Metrics that stand nowhere get a plot in OTHER."""
OTHER = "other"
TOTALS = ("train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")
"""Metrics that a run reports once, at its end. They stand in a table."""
AXES = (SECONDS, "update")
"""Metrics that only say when a step was."""
LIMITS = {"kl": "kl_budget"}
"""Settings drawn as a level line into a metric's plot."""


class Plot(NamedTuple):
    """One plot. `key` is its first metric, whether a run reports that one or not; `metrics` are those reported."""

    key: str
    title: str
    unit: str
    metrics: list[str]


def group_metrics(known: Iterable[str]) -> dict[str, list[Plot]]:
    """Return the plots of these metrics by group, without empty groups."""
    left = dict.fromkeys(sorted(set(known) - {*TOTALS, *AXES}))
    groups: dict[str, list[Plot]] = {}
    for group, plots in GROUPS.items():
        for names in plots:
            drawn = [key for name in names for key in left if plain_name(key) == name]
            if drawn:
                groups.setdefault(group, []).append(_plot(names[0], drawn))
                for key in drawn:
                    del left[key]
    return groups | ({OTHER: [_plot(key, [key]) for key in left]} if left else {})


def plain_name(key: str) -> str:
    """Return the name of a metric without the part of the run that reports it: "loss (first)" is a "loss"."""
    return key.partition(" (")[0]


def words(name: str) -> str:
    """Return the name of a metric or a setting as words."""
    return name.replace("_", " ")


def limits_of(run: Run) -> dict[str, tuple[str, float]]:
    """Return the limits that the run's settings give to metrics: the words and the value, by metric."""
    return {key: (words(name), float(run.settings[name])) for key, name in LIMITS.items() if run.settings.get(name)}


def _plot(key: str, metrics: list[str]) -> Plot:
    name = plain_name(metrics[0])
    return Plot(key, _text("plot", name) or words(name), _text("unit", name), metrics)


def _text(part: str, name: str) -> str:
    """Return the text `runs.PART_NAME`, empty if the catalogue has none."""
    key = f"runs.{part}_{name}"
    return text(key) if f"train.{key}" in TEXTS[FALLBACK] else ""

# SPDX-License-Identifier: Apache-2.0
"""Presets of trainings: settings that make one quick or thorough, and how the time grows with the settings.

Presets are multiples of the defaults, or another method for a reward model. They change how much is computed, never
what is learned: rates, KL budgets and labels stay as they are. Importable without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from reward.prompt_parts import parse_part

STANDARD = "standard"
Values = Mapping[str, int | float | str]
PRESETS: Mapping[str, Mapping[str, Values]] = {
    "pretrain": {"quick": {"max_steps": 420}, "thorough": {"max_steps": 12_600}},
    "sft": {"quick": {"epochs": 0.25}, "thorough": {"epochs": 3.0}},
    "reward": {"quick": {"method": "heads"}, "thorough": {"method": "lora", "members": 4}},
    "ppo": {
        "quick": {"max_steps": 9, "batch_size": 64, "validation_prompts": 32},
        "thorough": {"max_steps": 108, "validation_prompts": 256},
    },
    "online": {"quick": {"batch_size": 64}, "thorough": {"updates_per_step": 2}},
    "dpo": {"quick": {"epochs": 0.25}, "thorough": {"epochs": 3.0}},
    "rejection": {
        "quick": {"rounds": 1, "prompts_per_round": 125, "n": 4},
        "thorough": {"rounds": 4, "prompts_per_round": 1000},
    },
    "best-of-n": {"quick": {"n": 4, "validation_prompts": 16}, "thorough": {"n": 32, "validation_prompts": 256}},
}
"""The settings of each preset that differ from the defaults, by kind of run. The preset STANDARD has none."""
WORK: Mapping[str, tuple[str, ...]] = {
    "pretrain": ("max_steps", "batch_size"),
    "sft": ("epochs",),
    "reward": ("members", "part"),
    "ppo": ("max_steps", "batch_size"),
    "online": ("updates_per_step", "batch_size"),
    "dpo": ("epochs", "part"),
    "rejection": ("rounds", "prompts_per_round", "n"),
    "best-of-n": ("validation_prompts", "n"),
}
"""The settings whose product the time of a run grows with, about. The rows of the home are not among them."""
CAP = "max_steps"
"""A limit above 0 makes the time independent of the passes over the data, so no product describes it."""


def preset_keys(kind: str) -> list[str]:
    """Return the settings that some preset of a kind changes."""
    return list(dict.fromkeys(key for values in PRESETS[kind].values() for key in values))


def relative_work(kind: str, settings: Mapping[str, Any]) -> float | None:
    """Return a number that grows with the time of a run with these settings; None if it is unknown.

    Raises BadInput for a part that is not one.
    """
    keys = WORK.get(kind)
    if keys is None or (CAP not in keys and settings.get(CAP)) or any(key not in settings for key in keys):
        return None
    work = prod(_size(settings[key]) for key in keys)
    return work if work > 0 else None


def _size(value: float | str) -> float:
    if isinstance(value, str):
        low, high = parse_part(value)
        return high - low
    return float(value)

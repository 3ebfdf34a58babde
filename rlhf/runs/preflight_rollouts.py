# SPDX-License-Identifier: Apache-2.0
"""Preflight check of rollouts on vLLM servers: the command that a run starts, and adapters that vLLM serves."""

from __future__ import annotations

import json

from data.settings import Settings
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.runs.base_files import starting_policy
from rlhf.sampling.served.vllm_command import find_command
from rlhf.sampling_settings import START_SERVER, SamplingPlacement

PARTS = ("use_dora", "lora_bias", "rank_pattern", "alpha_pattern")
"""Fields of an adapter's configuration that vLLM does not apply."""


def check_rollouts(store: Store, settings: Settings, *, is_here: bool = True) -> None:
    """Check that the command is installed if the run starts a server here, and that vLLM serves the run's adapters.

    Whether servers answer, and whether they compute the same, is checked when the run works.
    """
    if not isinstance(settings, SamplingPlacement) or not settings.rollouts:
        return
    if is_here and settings.rollouts == START_SERVER:
        find_command()
    parts = ["dora"] if getattr(settings, "dora", False) else []
    policy = starting_policy(store, settings)
    file = store.home / (policy.adapter or "") / "adapter_config.json" if policy and policy.adapter else None
    if file is not None and file.is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
        parts += [name for name in PARTS if config.get(name)]
    if parts:
        raise bad_input("refused.rollouts_shape", field="rollouts", part=parts[0])

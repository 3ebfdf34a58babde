# SPDX-License-Identifier: Apache-2.0
"""Preflight check of rollouts: the command that starts a vLLM server, adapters that vLLM serves, and a sharded base."""

from __future__ import annotations

import json

from data.settings import Settings
from data.store import Store
from labeling.texts.pages import bad_input
from reward.memory_estimate import BYTES
from reward.model_shape import ModelShape
from reward.placement_settings import SHARDED
from rlhf.runs.base_files import base_folder, base_source, starting_policy
from rlhf.runs.memory_need import gpu_gigabytes
from rlhf.sampling.served.vllm_command import find_command
from rlhf.sampling_settings import START_SERVER, SamplingPlacement

PARTS = ("use_dora", "lora_bias", "rank_pattern", "alpha_pattern")
"""Fields of an adapter's configuration that vLLM does not apply."""


def check_rollouts(store: Store, settings: Settings, *, is_here: bool = True) -> None:
    """Check that the command is installed if the run starts a server here, and that vLLM serves the run's adapters.

    Whether servers answer, and whether they compute the same, is checked when the run works.
    """
    if not isinstance(settings, SamplingPlacement):
        return
    if is_here and settings.strategy == SHARDED and not settings.rollouts:
        check_gathered_base(store, settings)
    if not settings.rollouts:
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


def check_gathered_base(store: Store, settings: SamplingPlacement) -> None:
    """Check that the whole base fits the smallest GPU: without servers each process gathers it to sample."""
    folder, gpus = base_folder(base_source(store, settings)), gpu_gigabytes()
    if folder is None or not gpus or settings.device == "cpu":
        return
    need = BYTES.get(settings.dtype, BYTES["bfloat16"]) * ModelShape.read(folder).weights / 1e9
    if need > min(gpus):
        raise bad_input("refused.sharded_rollouts", field="rollouts", need=need, size=min(gpus))

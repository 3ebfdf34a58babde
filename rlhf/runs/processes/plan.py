# SPDX-License-Identifier: Apache-2.0
"""The plan of a run's processes: how many there are, and how accelerate starts them. Imports no torch.

A plan is made twice: before a run is queued, so that a person reads at once what cannot be, and when it starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from data.errors import BadInput
from data.settings import Settings
from labeling.texts.pages import bad_input
from reward.placement_settings import AUTO, SHARDED, DeviceSettings, read_placement
from rlhf.settings import FULL

ACCELERATE_CONFIG = "accelerate.yaml"
"""File in the home with the number of processes, in accelerate's format; see docs/how-to/several-gpus.md."""
DDP = "MULTI_GPU"
"""accelerate's name for DDP; where the processes find no GPU they talk by gloo."""
DEFAULTS: dict[str, Any] = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": DDP,
    "num_machines": 1,
    "machine_rank": 0,
    "gpu_ids": "all",
    "main_process_port": 0,
    "mixed_precision": "no",
    "use_cpu": False,
}
EVEN = ("minibatch",)
"""Settings whose rows the processes share evenly."""
ZERO_STAGES = (0, 1, 2)
"""The stages of DeepSpeed's ZeRO in which every process holds all weights."""


def plan_processes(home: Path, settings: Settings, gpus: int | None = 0, *, resumes: bool = False) -> dict[str, Any]:
    """Return accelerate's configuration for a run on a machine with so many GPUs; empty for one process.

    None GPUs: their number is unknown. Raises BadInput for what would be wrong or slower than it looks, with the name
    of the setting or the file.
    """
    if not isinstance(settings, DeviceSettings):
        return {}
    if settings.strategy == SHARDED:
        _check_sharding(home, settings)
    if settings.processes == "1":
        return {}
    file = home / ACCELERATE_CONFIG
    config = DEFAULTS | (_read(file, settings.strategy) if file.is_file() else {})
    usable = 0 if settings.device == "cpu" else gpus or 0
    if settings.processes != AUTO:
        count = int(settings.processes)
    else:
        count = config.get("num_processes") or _most_processes(settings, usable or 1)
    if count == 1:
        if settings.strategy == SHARDED and gpus is not None:
            raise bad_input("refused.sharded_alone", field="strategy")
        return {}
    if usable and count > usable:
        raise bad_input("refused.processes_gpus", field="processes", processes=count, gpus=usable)
    if ":" in settings.device:
        raise bad_input("refused.processes_device", field="device", processes=count, device=settings.device)
    if resumes and config["distributed_type"] == "DEEPSPEED":
        raise bad_input("refused.zero_resume", field="strategy", config=str(file))
    check_shares(settings, count)
    return config | {"num_processes": count}


def _check_sharding(home: Path, settings: DeviceSettings) -> None:
    """Raise BadInput for a run whose frozen weights cannot be sharded, as far as its settings say so."""
    if not settings.shardable:
        raise bad_input("refused.sharded_kind", field="strategy")
    if settings.processes == "1":
        raise bad_input("refused.sharded_alone", field="strategy")
    if getattr(settings, "finetuning", "") == FULL:
        raise bad_input("refused.sharded_full", field="finetuning")
    quantize = getattr(settings, "quantize", "") or read_placement(home)["quantize"]
    if quantize != "none":
        raise bad_input("refused.sharded_quantized", field="quantize", quantize=quantize)


def _most_processes(settings: DeviceSettings, gpus: int) -> int:
    """Return the largest number of processes, up to `gpus`, that can share a step; 1 for a device with a number."""
    return 1 if ":" in settings.device else next(n for n in range(gpus, 0, -1) if n == 1 or _can_share(settings, n))


def _can_share(settings: DeviceSettings, count: int) -> bool:
    try:
        check_shares(settings, count)
    except BadInput:
        return False
    return True


def check_shares(settings: DeviceSettings, count: int) -> None:
    """Raise BadInput if so many processes cannot share an optimizer step."""
    for name in EVEN:
        rows = getattr(settings, name, None)
        if rows and rows % count:
            raise bad_input("refused.processes_share", field=name, processes=count, name=name, rows=rows)
    step_rows: int = getattr(settings, "batch_size", count)
    if step_rows < count:
        raise bad_input("refused.processes_rows", field="processes", processes=count, rows=step_rows)


def _read(file: Path, strategy: str) -> dict[str, Any]:
    """Return the file's configuration; with the strategy `ddp` as DDP. Raises BadInput for what no run works with."""
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict) or int(config.get("num_processes", 1)) < 1:
            raise ValueError("it names no number of processes")
    except (OSError, ValueError, TypeError, yaml.YAMLError) as problem:
        reason = str(problem).splitlines()[0]
        raise bad_input("refused.accelerate_file", config=str(file), reason=reason) from None
    kind = config.get("distributed_type") or "NO"
    if kind == "DEEPSPEED" and strategy == SHARDED:
        raise bad_input("refused.sharded_deepspeed", field="strategy", config=str(file))
    if strategy == "ddp" or kind == "NO":
        config = {name: value for name, value in config.items() if not name.endswith("_config")}
        config["distributed_type"] = kind = DDP
    if kind == "FSDP":
        raise bad_input("refused.fsdp", config=str(file))
    stage = (config.get("deepspeed_config") or {}).get("zero_stage")
    if kind == "DEEPSPEED" and stage not in ZERO_STAGES:
        raise bad_input("refused.zero_stage", config=str(file), stage=stage)
    if kind != "DEEPSPEED" and (not kind.startswith("MULTI_") or kind == "MULTI_CPU"):
        raise bad_input("refused.distributed_type", config=str(file), type=kind)
    if config.get("num_machines", 1) not in (None, 1):
        raise bad_input("refused.machines", config=str(file), machines=config["num_machines"])
    if config.get("mixed_precision") not in (None, False, "no"):  # YAML reads a bare no as False
        raise bad_input("refused.mixed_precision", config=str(file), precision=config["mixed_precision"])
    return config

# SPDX-License-Identifier: Apache-2.0
"""Arguments of transformers' trainers that all trainings share: checkpoints, optimizer, passes, device."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import torch

from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.out_of_memory import split_step
from reward.training_settings import TrainerSettings


class RunSettings(Protocol):
    """Settings of a run that every trainer takes."""

    learning_rate: float
    batch_size: int
    seed: int


def trainer_arguments(
    folder: Path, settings: RunSettings, device: torch.device, *, whole: bool = False
) -> dict[str, Any]:
    """Return arguments that save the newest checkpoint to `folder`, train on `device` and report to nobody.

    `whole`: all weights of a model are trained, and text may not reach those that read images.
    Settings without `TrainerSettings` take its defaults. Raises BadInput for passes that do not divide a step.
    """
    shared = settings if isinstance(settings, TrainerSettings) else TrainerSettings()
    return {
        "output_dir": str(folder),
        "learning_rate": settings.learning_rate,
        "optim": shared.optimizer,
        "weight_decay": shared.weight_decay,
        "lr_scheduler_type": shared.scheduler,
        "activation_checkpointing": shared.gradient_checkpointing,
        "save_total_limit": 1,
        "seed": settings.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": device.type == "cpu",
        # DDP walks the graph of every pass for them; a LoRA has none, and checkpointed layers allow no walk
        "ddp_find_unused_parameters": whole and not shared.gradient_checkpointing,
        **divide_step(settings.batch_size, shared.per_device_batch_size),
    }


def divide_step(rows: int, per_pass: int) -> dict[str, int]:
    """Return the arguments by which a step of `rows` is computed in passes of `per_pass`; 0: in one pass.

    The processes of the run share the step. After memory ran out in this process, a pass is cut once more.

    Raises BadInput if the passes of a step would not be of equal size.
    """
    size = min(per_pass or rows, rows)
    if rows % size:
        below = max(divisor for divisor in range(1, size) if rows % divisor == 0)
        raise bad_input(
            "refused.rows_per_pass", field="per_device_batch_size", per_pass=per_pass, rows=rows, below=below
        )
    processes = distributed.world_size()
    part, _ = split_step(min(size, math.ceil(rows / processes)))
    return {
        "per_device_train_batch_size": part,
        "gradient_accumulation_steps": math.ceil(rows / (part * processes)),
    }

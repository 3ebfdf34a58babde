# SPDX-License-Identifier: Apache-2.0
"""Arguments of transformers' trainers that pre-training, instruction tuning and DPO share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class TrainerSettings(Protocol):
    """Settings of a run that every trainer takes."""

    learning_rate: float
    batch_size: int
    seed: int


def trainer_arguments(folder: Path, settings: TrainerSettings, warmup_steps: int) -> dict[str, Any]:
    """Return arguments that save the newest checkpoint to `folder`, decay the rate linearly and report to nobody."""
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": warmup_steps,
        "save_total_limit": 1,
        "seed": settings.seed,
        "report_to": "none",
        "disable_tqdm": True,
    }

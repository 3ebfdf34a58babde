# SPDX-License-Identifier: Apache-2.0
"""Policies: how they are trained, sampled and compared. Torch is imported on first use of a trainer only."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlhf.ppo.config import PPOConfig
    from rlhf.ppo.trainer import PPOTrainer

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is first imported, so before it

_HOMES = {"PPOConfig": "rlhf.ppo.config", "PPOTrainer": "rlhf.ppo.trainer"}
__all__ = ["PPOConfig", "PPOTrainer"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'rlhf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

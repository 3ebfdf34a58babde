# SPDX-License-Identifier: Apache-2.0
"""Reward models: the shared frozen base, training, scoring and reports. Torch is imported on first use only."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reward.base.frozen_base import Base
    from reward.model import RewardModel

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is first imported, so before it

_HOMES = {"Base": "reward.base.frozen_base", "RewardModel": "reward.model"}
__all__ = ["Base", "RewardModel"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'reward' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

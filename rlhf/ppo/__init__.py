# SPDX-License-Identifier: Apache-2.0
"""PPO: pure functions of (B, T) float tensors, the trainer, its settings and its run.

The functions of `rlhf.ppo.arithmetic` are this package's public names. Torch is imported on first use only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlhf.ppo.arithmetic import AdaptiveKL, gae, kl_estimate, masked_mean, policy_loss, value_loss, whiten

__all__ = ["AdaptiveKL", "gae", "kl_estimate", "masked_mean", "policy_loss", "value_loss", "whiten"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'rlhf.ppo' has no attribute {name!r}")
    return getattr(import_module("rlhf.ppo.arithmetic"), name)

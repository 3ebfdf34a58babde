"""What a PPO run must keep beside the policy and the optimizer, in memory and in a checkpoint folder.

A checkpoint is whole once `ppo_state.json` is there: it is written last.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.errors import BadInput
from reward.base import Base

STATE, HEAD, BEST = "ppo_state.json", "value_head.safetensors", "best.safetensors"


@dataclass(frozen=True, slots=True)
class Best:
    """The best policy so far: after how many updates, its mean reward and KL (nats per answer), reward - price x KL, its weights."""

    update: int
    reward: float
    kl: float
    objective: float
    weights: dict[str, Tensor]

    def numbers(self) -> dict[str, float]:
        """Everything but the weights."""
        return {"update": self.update, "reward": self.reward, "kl": self.kl, "objective": self.objective}


def copy_of(base: Base, adapter: str) -> dict[str, Tensor]:
    """The adapter's tensors as they are now."""
    return {name: tensor.detach().cpu().clone() for name, tensor in base.adapter_state(adapter).items()}


@torch.no_grad()
def put(base: Base, adapter: str, weights: dict[str, Tensor]) -> None:
    """Overwrite the adapter's tensors in place. Raises BadInput where they are not of its shape."""
    own = base.adapter_state(adapter)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in weights.items()}:
        raise BadInput("the checkpoint's adapter has another shape than the run's", "Resume with the settings the run was started with")
    for name, tensor in own.items():
        tensor.copy_(weights[name])


def save_state(folder: Path, head: nn.Module, best: Best | None, numbers: dict[str, Any]) -> None:
    """Write the value head, the best policy and the numbers; the file that makes the checkpoint whole comes last."""
    save_file({name: tensor.cpu() for name, tensor in head.state_dict().items()}, folder / HEAD)
    if best is not None:
        save_file(best.weights, folder / BEST)
    draft = folder / f"{STATE}.part"
    draft.write_text(json.dumps(numbers | {"best": best and best.numbers()}))
    os.replace(draft, folder / STATE)


def load_state(folder: Path, head: nn.Module) -> tuple[Best | None, dict[str, Any]]:
    """Fill the value head; returns the best policy and the numbers."""
    head.load_state_dict(load_file(folder / HEAD))
    numbers = json.loads((folder / STATE).read_text())
    best = numbers.pop("best")
    return best and Best(**best, weights=load_file(folder / BEST)), numbers


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a run's folder; None where there is none."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{STATE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

"""What a PPO run must keep beside the policy and the optimizer, in memory and in a checkpoint folder.

`ppo_state.json` is the last file of a checkpoint: see `rlhf.common.atomic_checkpoints`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.common.atomic_checkpoints import checkpoints
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.config import PPOConfig

STATE, HEAD, BEST = (
    "ppo_state.json",
    "value_head.safetensors",
    "best.safetensors",
)  # the critic's adapter, if any, stands with its head
RESUME = "resume_from_checkpoint"


@dataclass(frozen=True, slots=True)
class BestPolicy:
    """The best policy so far: after how many updates, its mean reward and KL (nats per answer), reward - price x KL, its weights."""

    update: int
    reward: float
    kl: float
    objective: float
    weights: dict[str, Tensor]

    def numbers(self) -> dict[str, float]:
        """Everything but the weights."""
        return {"update": self.update, "reward": self.reward, "kl": self.kl, "objective": self.objective}


def copy_adapter(base: Base, adapter: str) -> dict[str, Tensor]:
    """The adapter's tensors as they are now."""
    return {name: tensor.detach().cpu().clone() for name, tensor in base.adapter_state(adapter).items()}


@torch.no_grad()
def load_adapter(base: Base, adapter: str, weights: dict[str, Tensor]) -> None:
    """Overwrite the adapter's tensors in place. Raises BadInput where they are not of its shape."""
    own = base.adapter_state(adapter)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in weights.items()}:
        raise BadInput(
            "the checkpoint's adapter has another shape than the run's",
            "Resume with the settings the run was started with",
        )
    for name, tensor in own.items():
        tensor.copy_(weights[name])


def save_state(folder: Path, actor: ActorCritic, best: BestPolicy | None, numbers: dict[str, Any]) -> None:
    """Write the critic, the best policy and the numbers; the file that makes the checkpoint whole comes last."""
    save_file(actor.critic_state(), folder / HEAD)
    if best is not None:
        save_file(best.weights, folder / BEST)
    draft = folder / f"{STATE}.part"
    draft.write_text(json.dumps(numbers | {"best": best and best.numbers()}))
    os.replace(draft, folder / STATE)


def run_identity(args: PPOConfig, base: Base, guard: bool) -> dict[str, Any]:
    """What a run must have in common with the one that wrote a checkpoint to go on from it."""
    sizes = {
        name: getattr(args, name)
        for name in ("seed", "rollout_batch_size", "minibatch_size", "num_ppo_epochs", "critic")
    }
    return sizes | {"guard": guard} | {f"fingerprint of the {part}": value for part, value in base.fingerprint.items()}


def load_state(folder: Path, actor: ActorCritic, now: dict[str, Any]) -> tuple[BestPolicy | None, dict[str, Any]]:
    """Fill the critic; returns the best policy and the numbers.

    Raises BadInput for a folder that is no whole checkpoint, and where the run differs in something of `made_with`, which is `now`.
    """
    if not (folder / STATE).is_file():
        raise BadInput(
            f"{str(folder)!r} is no whole checkpoint: it has no {STATE}",
            "Resume from another one, or start anew",
            field=RESUME,
        )
    numbers = json.loads((folder / STATE).read_text())
    before = numbers.pop("made_with")
    for name, value in now.items():
        if before.get(name) != value:
            error = f"{folder.name} was written with another {name}: {before.get(name)}, now {value}"
            raise BadInput(error, "Resume with what the run was started with, or start anew", field=RESUME)
    actor.load_critic_state(load_file(folder / HEAD))
    best = numbers.pop("best")
    return best and BestPolicy(**best, weights=load_file(folder / BEST)), numbers


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a run's folder; None where there is none."""
    return next((path for path in reversed(checkpoints(folder)) if (path / STATE).is_file()), None)

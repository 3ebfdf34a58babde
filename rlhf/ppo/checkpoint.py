# SPDX-License-Identifier: Apache-2.0
"""The state of a PPO run, in memory and in a checkpoint folder.

A checkpoint holds policy, critic, optimizer, schedule and `PPOState`, and nothing else. `ppo_state.json` is its last
file: a folder without it is no checkpoint. See `reward.training.atomic_checkpoints`.
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

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.training.atomic_checkpoints import checkpoints
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.guard import GuardState
from rlhf.ppo.reward_shaping import RewardUnit

STATE, BEST = "ppo_state.json", "best.safetensors"
HEAD = "value_head.safetensors"
"""The critic: its head, and its adapter if it has one."""
RESUME = "resume_from_checkpoint"
SAMPLER, IN_PROCESS = "sampler", "in process"

Identity = dict[str, object]
"""Settings and fingerprints that a checkpoint shares with the run that resumes from it, by name."""
FORMER: Identity = {"answers_per_prompt": 1, SAMPLER: IN_PROCESS}
"""The values in checkpoints of earlier versions, which had neither groups nor servers."""


@dataclass(frozen=True, slots=True)
class BestPolicy:
    """The best policy so far. KL is in nats per answer; `objective` is reward less KL at the starting coefficient."""

    update: int
    reward: float
    kl: float
    objective: float
    weights: dict[str, Tensor]

    def numbers(self) -> dict[str, float]:
        """Return everything but the weights."""
        return {"update": self.update, "reward": self.reward, "kl": self.kl, "objective": self.objective}


@dataclass
class PPOState:
    """The numbers of a run. A checkpoint holds exactly these besides policy, critic, optimizer and schedule.

    `reward_unit` and `guard` are shared with the scorer and the guard, which update them in place.
    """

    kl_coef: float
    reward_unit: RewardUnit
    guard: GuardState | None = None
    best: BestPolicy | None = None

    def numbers(self) -> dict[str, Any]:
        """Return everything but the best policy's weights, in JSON's types."""
        return {
            "kl_coef": self.kl_coef,
            "offset": self.reward_unit.offset,
            "scale": self.reward_unit.scale,
            "guard": self.guard and self.guard.numbers(),
            "best": self.best and self.best.numbers(),
        }

    def restore(self, numbers: dict[str, Any], best_weights: dict[str, Tensor] | None) -> None:
        """Restore the state that `numbers` returned, in place."""
        self.kl_coef = numbers["kl_coef"]
        self.reward_unit.offset, self.reward_unit.scale = numbers["offset"], numbers["scale"]
        if self.guard is not None:
            self.guard.restore(numbers["guard"])
        self.best = None if best_weights is None else BestPolicy(**numbers["best"], weights=best_weights)


def copy_adapter(base: Base, adapter: str) -> dict[str, Tensor]:
    """Return copies of the adapter's tensors on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in base.adapter_state(adapter).items()}


@torch.no_grad()
def load_adapter(base: Base, adapter: str, weights: dict[str, Tensor]) -> None:
    """Overwrite the adapter's tensors in place. Raises BadInput if names or shapes differ."""
    own = base.adapter_state(adapter)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in weights.items()}:
        raise bad_input("refused.checkpoint_shape")
    for name, tensor in own.items():
        tensor.copy_(weights[name])


def run_identity(args: PPOConfig, base: Base, guard: bool, served: bool) -> Identity:
    """Return the settings and fingerprints that a checkpoint must share with the run that resumes from it.

    `served` belongs to them: a server has noise of its own, so a run that changed its sampler would draw other answers.
    """
    names = ("seed", "rollout_batch_size", "minibatch_size", "num_ppo_epochs", "answers_per_prompt", "critic")
    sizes: Identity = {name: getattr(args, name) for name in names}
    sizes |= {"guard": guard, SAMPLER: "served" if served else IN_PROCESS}
    return sizes | {f"fingerprint of the {part}": value for part, value in base.fingerprint.items()}


def save_state(folder: Path, actor: ActorCritic, state: PPOState, identity: Identity) -> None:
    """Write the critic, the best policy and the numbers. The file that completes the checkpoint is the last."""
    save_file(actor.critic_state(), folder / HEAD)
    if state.best is not None:
        save_file(state.best.weights, folder / BEST)
    draft = folder / f"{STATE}.part"
    draft.write_text(json.dumps(state.numbers() | {"made_with": identity}))
    os.replace(draft, folder / STATE)


def load_state(folder: Path, actor: ActorCritic, state: PPOState, identity: Identity) -> None:
    """Fill the critic and `state` from a checkpoint. Raises BadInput if it is incomplete or its identity differs."""
    if not (folder / STATE).is_file():
        raise bad_input("refused.checkpoint_incomplete", field=RESUME, folder=str(folder), state=STATE)
    numbers = json.loads((folder / STATE).read_text())
    written = FORMER | numbers.pop("made_with")
    for name, value in identity.items():
        if written.get(name) != value:
            values = {"folder": folder.name, "name": name, "written": written.get(name), "value": value}
            raise bad_input("refused.checkpoint_other", field=RESUME, **values)
    actor.load_critic_state(load_file(folder / HEAD))
    state.restore(numbers, load_file(folder / BEST) if numbers["best"] else None)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in a run's folder, or None."""
    return next((path for path in reversed(checkpoints(folder)) if (path / STATE).is_file()), None)

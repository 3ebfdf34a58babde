# SPDX-License-Identifier: Apache-2.0
"""A whole PPO run as a program: `python -m tests.support.processes.ppo_process FOLDER '{"updates": 2, ...}'`, alone or under
`accelerate launch`.

It leaves FOLDER/ppo with its checkpoints and, at its end, FOLDER/end.safetensors and FOLDER/end.json. `resume` goes on
from the last
whole checkpoint. `kill` names a moment at which the process kills itself, as `kill -9` would.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import TrainerCallback

from reward.base import distributed, memory
from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from reward.base.sharding import held_numbers
from rlhf.ppo.checkpoint import last_checkpoint
from rlhf.ppo.trainer import PPOTrainer
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from tests.support.ppo_parts import ppo_config, ppo_trainer, random_judge, share_of_letters

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(5)]  # odd: two processes have uneven shares


def main(
    folder: Path,
    updates: int,
    *,
    resume: bool = False,
    kill: str = "",
    evaluate: bool = True,
    threads: int = 0,
    judged: bool = False,
    rollouts: str = "",
    **options,
) -> None:
    """Train, and write down the end. `threads`: as many as another process has, whose bits are compared.

    `judged`: reward and guard are adapters on the policy's base. `rollouts`: the address of a server that samples; then
    every row is scored in a pass of its own.
    """
    if threads:
        torch.set_num_threads(threads)
    base = Base.load(folder / "llama")
    config = ppo_config(folder, updates, save_strategy="steps", **options)
    reward, guard = (random_judge(base), random_judge(base, "guard")) if judged else (Reward(kill), None)
    trainer = ppo_trainer(
        base, config, held_out=HELD_OUT if evaluate else None, start=folder / "start", reward=reward, guard=guard
    )
    if rollouts:
        memory.tokens_per_pass = lambda *_: 1
        trainer.collector.sampler = Served(lambda _: [Server(rollouts)], folder / "served", "run1", lambda _: None)
    held = Held(base)
    trainer.add_callback(held)
    if kill.startswith("saving"):
        die_while_saving(int(kill.split()[1]))
    found = last_checkpoint(folder / "ppo") if resume else None
    trainer.train(resume_from_checkpoint=found and str(found))
    numbers = distributed.all_gather(held.numbers)
    if distributed.rank() == 0:
        write_end(trainer, folder)
        (folder / "held.json").write_text(json.dumps(numbers))
        (folder / "most.json").write_text(json.dumps(held.most))
    if rollouts:
        trainer.collector.sampler.close()


class Held(TrainerCallback):
    """Note how many numbers of the base this process holds after each optimizer step, and the most in any pass."""

    def __init__(self, base: Base) -> None:
        self.base, self.numbers, self.most = base, [], 0

    def on_step_end(self, *_, **__):
        self.numbers.append(held_numbers(self.base.causal))

    def on_train_begin(self, *_, **__):
        for layer in decoder_layers(self.base.causal):  # after torch's own hook, which gathers the layer
            layer.register_forward_pre_hook(lambda *_: self.note())

    def note(self) -> None:
        self.most = max(self.most, held_numbers(self.base.causal))


class Reward:
    """The share of letters; with kill="judging N" the process dies at the N-th call."""

    def __init__(self, kill: str) -> None:
        self.calls, self.last = 0, int(kill.split()[1]) if kill.startswith("judging") else -1

    def score(self, prompts, completions):
        self.calls += 1
        if self.calls == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return share_of_letters(prompts, completions)


def die_while_saving(number: int) -> None:
    """Let the process die in the middle of writing its `number`-th file by torch.save: optimizer, schedule and random
    state in turn."""
    whole, calls = torch.save, []

    def save(tensors, path, *args, **options):
        calls.append(path)
        if len(calls) == number:
            Path(path).write_bytes(b"half a fi")
            os.kill(os.getpid(), signal.SIGKILL)
        whole(tensors, path, *args, **options)

    torch.save = save


def write_end(trainer: PPOTrainer, folder: Path) -> None:
    """Weights, value head, Adam's moments and what was logged."""
    tensors = {f"last.{i}": p.detach() for i, p in enumerate(trainer.model.parameters()) if p.requires_grad}
    tensors |= {f"best.{name}": tensor for name, tensor in trainer.best.weights.items()}
    for i, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{i}": state["exp_avg"], f"square.{i}": state["exp_avg_sq"]}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "end.safetensors")
    logs = [
        {k: v for k, v in log.items() if "second" not in k and "runtime" not in k} for log in trainer.state.log_history
    ]
    end = {
        "best": trainer.best.numbers(),
        "kl_coef": trainer.ppo_state.kl_coef,
        "logs": [log for log in logs if "train_loss" not in log],
    }
    (folder / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))

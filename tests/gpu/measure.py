# SPDX-License-Identifier: Apache-2.0
"""One measurement of `make gpu`, made in a process of its own: seconds, rates and peak memory.

Ours and TRL's train the same LoRA on the same rows with the same batch, optimizer and precision, without gradient
checkpointing. PPO stands beside GRPO and RLOO: the same number of answers and of passes over them, the same reward.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import Trainer, TrainerCallback

from reward.base.frozen_base import Base
from reward.base.machine import library_versions, peak_mb
from reward.base.placement import Placement
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.gpu import trainers
from tests.gpu.scales import Case, Scale, build_model

TRAININGS: dict[tuple[str, str], Callable[[Base, Scale, Path], Trainer]] = {
    ("sft", "ours"): trainers.our_sft,
    ("sft", "trl"): trainers.trl_sft,
    ("reward", "ours"): trainers.our_reward,
    ("reward", "trl"): trainers.trl_reward,
    ("dpo", "ours"): trainers.our_dpo,
    ("dpo", "trl"): trainers.trl_dpo,
    ("ppo", "ours"): trainers.our_ppo,
    ("grpo", "trl"): trainers.trl_grpo,
    ("rloo", "trl"): trainers.trl_rloo,
}
SAMPLINGS = (("sampling", "ours"), ("sampling", "transformers"))
ONLINE = ("ppo", "grpo", "rloo")
MEASUREMENTS = (*SAMPLINGS, *TRAININGS)


def machine(device: str) -> dict[str, Any]:
    """Return the device's name and the versions of torch and CUDA. Raises if the device does not work here."""
    torch.zeros(1, device=device)
    name = torch.cuda.get_device_name() if device == "cuda" else None
    return {"gpu": name, "cuda": torch.version.cuda, **library_versions()}


def build(shape: str, folder: Path, dtype: torch.dtype, device: str) -> dict[str, Any]:
    """Save the random model that all measurements of a shape load."""
    build_model(shape, folder, dtype, device)
    return {}


def placement(precision: str, device: str) -> Placement:
    """Return where and how the base is loaded."""
    if precision == "float32":
        return Placement(torch.device(device), torch.float32)
    return Placement(torch.device(device), torch.bfloat16, "4bit" if precision == "4bit" else "none")


def measure(case: Case, model: Path, folder: Path, device: str) -> dict[str, Any]:
    """Return the figures of a case; `folder` takes what the trainers write."""
    started = time.perf_counter()
    base = Base.load(model, placement=placement(case.precision, device))
    load_seconds = time.perf_counter() - started
    if case.measurement == "sampling":
        figures = sampling(base, case)
    else:
        figures = training(TRAININGS[case.measurement, case.side](base, case.scale, folder), case)
    return figures | {"load_seconds": round(load_seconds, 1), "peak_mb": peak_mb()}


def sampling(base: Base, case: Case) -> dict[str, Any]:
    """Time answers that cannot end early, by our sampler under an adapter, or by transformers' `generate`."""
    scale = case.scale
    prompts, side = trainers.prompt_ids(base, scale.sampled, scale.prompt), case.side
    base.add_adapter("policy", config=LoraConfig(r=scale.rank, target_modules="all-linear", task_type="CAUSAL_LM"))

    def ours(tokens: int) -> int:
        banned = [*banned_ids(base), *base.eos_ids]
        noise = draw_uniforms(0, 0, range(len(prompts)), tokens)
        rollout = generate(base, prompts, noise, max_new_tokens=tokens, banned=banned, batch_size=scale.sampled)
        return sum(map(len, rollout.ids))

    def theirs(tokens: int) -> int:
        ids, mask = base.collate(prompts, side="left")
        lengths = {"max_new_tokens": tokens, "min_new_tokens": tokens}
        with torch.no_grad():
            rows = base.causal.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, pad_token_id=base.pad_id, **lengths
            )
        return (rows.shape[1] - ids.shape[1]) * len(rows)

    with base.role("policy"):
        sample = ours if side == "ours" else theirs
        sample(min(4, scale.answer))
        synchronize()
        started = time.perf_counter()
        tokens = sample(scale.answer)
        synchronize()
    return rates(time.perf_counter() - started, tokens=tokens, episodes=len(prompts))


def training(trainer: Trainer, case: Case) -> dict[str, Any]:
    """Time the optimizer steps after the warm ones; a step's rows and tokens follow from the scale."""
    scale, clock = case.scale, Clock()
    trainer.add_callback(clock)
    trainer.train()
    online = case.measurement in ONLINE
    steps = len(clock.times) - 1
    warm = scale.warm * (steps // scale.updates if online else 1)
    seconds, timed = clock.times[-1] - clock.times[warm], steps - warm
    if online:
        rollouts = scale.updates * timed / steps
        episodes = round(rollouts * scale.rollout)
        return rates(seconds, tokens=episodes * scale.answer, episodes=episodes) | {"steps": timed}
    rows = timed * scale.batch * (1 if case.measurement == "sft" else 2)
    return rates(seconds, tokens=rows * (scale.prompt + scale.answer), episodes=rows) | {"steps": timed}


def rates(seconds: float, tokens: int, episodes: int) -> dict[str, Any]:
    """Return the columns of a line; an episode is a sampled answer or a row that was trained on."""
    return {
        "seconds": round(seconds, 3),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
        "episodes_per_second": round(episodes / seconds, 3),
    }


class Clock(TrainerCallback):
    """The time at the start and after every optimizer step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._stamp()

    def on_step_end(self, *_: object, **__: object) -> None:
        self._stamp()

    def _stamp(self) -> None:
        synchronize()
        self.times.append(time.perf_counter())


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()

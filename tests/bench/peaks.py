# SPDX-License-Identifier: Apache-2.0
"""The memory that training takes above the weights, ours and TRL's, on the shape of Qwen3-0.6B with random weights.

Both sides train the same LoRA on the same rows in one pass of eight, on the CPU, with gradient checkpointing (TRL's
default). PPO stands beside GRPO with as many answers. One step or update each: the peak does not grow afterwards. TRL's side has
the C library's own allocator settings, ours those of `keep_freed_memory`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from reward.base import frozen_base
from reward.base.frozen_base import Base
from reward.base.machine import peak_mb
from tests.gpu.measure import TRAININGS, build, placement
from tests.gpu.processes import run_apart
from tests.gpu.scales import Case, Scale

SHAPE, PRECISIONS = "qwen3-0.6b", ("float32", "bf16")
SCALE = Scale(answer=256, batch=8, steps=1, warm=0, rollout=8, generations=8, epochs=1, updates=1, checkpointing=True)
PEERS = {"sft": ("sft", "trl"), "reward": ("reward", "trl"), "dpo": ("dpo", "trl"), "ppo": ("grpo", "trl")}
"""Our measurements, and TRL's trainer that each is compared with."""
LIMIT = 7200.0
"""Seconds of one training: in bfloat16 a CPU without instructions for it needs half an hour for a step."""


def training_peaks(folder: Path, shape: str = SHAPE, scale: Scale = SCALE, precisions: tuple = PRECISIONS) -> dict:
    """Return our peak above the weights, TRL's in MB, and their ratio, by precision and kind of training."""
    found: dict[str, dict[str, Any]] = {}
    for precision in precisions:
        model = folder / precision
        dtype = torch.float32 if precision == "float32" else torch.bfloat16
        apart(folder, build, shape, model, dtype, "cpu")
        for kind, peer in PEERS.items():
            ours = apart(
                folder, peak_above_weights, Case(shape, precision, kind, "ours", scale), model, folder / "ours"
            )
            theirs = apart(folder, peak_above_weights, Case(shape, precision, *peer, scale), model, folder / "theirs")
            figures = {"ours": ours["mb"], "trl": theirs["mb"], "ratio": round(ours["mb"] / theirs["mb"], 3)}
            found[f"{kind} {precision}"] = figures
            print(kind, precision, json.dumps(figures), file=sys.stderr, flush=True)
    return found


def apart(folder: Path, work: Any, *args: object) -> dict[str, Any]:
    """Return what the work returns in a process of its own. Raises RuntimeError with the log if it fails."""
    log = folder / "log.txt"
    figures = run_apart(work, *args, start="spawn", limit=LIMIT, log=log)
    if "error" in figures:
        raise RuntimeError(f"{figures['error']}\n{log.read_text('utf-8', 'replace')[-2000:]}")
    return figures


def peak_above_weights(case: Case, model: Path, folder: Path) -> dict[str, Any]:
    """Train, and return the most MB that this process held above what it held with the base loaded. Linux only."""
    if case.side == "trl":
        frozen_base.keep_freed_memory = lambda size: False
    base = Base.load(model, placement=placement(case.precision, "cpu"))
    for weights in base.causal.parameters():
        weights.sum()  # pages of the file are read now, not in training
    trainer = TRAININGS[case.measurement, case.side](base, case.scale, folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_mb()
    trainer.train()
    return {"mb": round(peak_mb() - before)}

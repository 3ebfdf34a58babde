# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.vllm [--updates N]`: PPO on the starter in process and on a vLLM server of its own; one JSON line each.

PREFERENCE_LOOP_VLLM names the command vllm. The exit status is 1 if a figure misses its goal: mean difference of
log-probabilities below 1e-4, median time of an adapter's push below 100 ms, every answer by the version that was asked
for, and reward and KL within what another seed changes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from data.starter import BASE, PROMPTS, SFT, read_rows, rubric
from reward.base.frozen_base import Base
from reward.base.machine import cpu_features
from rlhf.common.library_warnings import silence_libraries
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.trainer import PPOTrainer
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler
from rlhf.sampling.served.own_server import OwnServer
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import CompletionRequest, Server

UPDATES, ANSWERS, PASS, TOKENS = 20, 64, 16, 80
SEEDS = (0, 1, 2)
"""Seeds of the runs in process, whose spread is the noise; the served run has the first."""
PROMPT_COUNT = 640
LAST = 5
"""Updates at the end over which reward and KL are averaged."""
ERRORS = 3.0
"""Deviations between seeds by which the served run may differ from the mean of the others."""
DIFFERENCE, PUSH_SECONDS = 1e-4, 0.1


class Timed:
    """The seconds of every push of an adapter, and the models that answered."""

    def __init__(self) -> None:
        self.pushes: list[float] = []
        self.asked: list[str] = []
        load, complete = Server.load, Server.complete

        def timed_load(server: Server, name: str, folder: Path) -> None:
            began = time.monotonic()
            load(server, name, folder)
            self.pushes.append(time.monotonic() - began)

        def counted(server: Server, request: CompletionRequest) -> Any:
            completion = complete(server, request)  # refuses an answer of another model
            self.asked.append(request.model)
            return completion

        Server.load, Server.complete = timed_load, counted


def train(folder: Path, rows: list[dict], seed: int, updates: int, sampler: Sampler = IN_PROCESS) -> dict[str, Any]:
    """Train on the starter's own rubric, and return the figures of the run."""
    facts = {row["prompt"]: row["facts"] for row in rows}

    def score(prompts: list[str], completions: list[str]) -> list[float]:
        return [rubric.gold(facts[p], text, True) for p, text in zip(prompts, completions, strict=True)]

    options = {"rollout_batch_size": ANSWERS, "estimator": "group", "group_size": 8, "max_new_tokens": TOKENS}
    options |= {"per_device_train_batch_size": PASS, "gradient_accumulation_steps": 1}  # 8 optimizer steps an update
    args = PPOConfig(
        str(folder / f"ppo-{seed}"), **options, seed=seed, use_cpu=True, disable_tqdm=True, save_strategy="no"
    )
    args.max_steps = updates * args.steps_per_update
    trainer = PPOTrainer(Base.load("starter"), score, args, train_dataset=rows, start=SFT)
    trainer.remove_callback(next(c for c in trainer.callback_handler.callbacks if "Printer" in type(c).__name__))
    trainer.collector.sampler = sampler
    began = time.monotonic()
    trainer.train()
    logs = [log for log in trainer.state.log_history if "rollout_seconds" in log]
    tokens = sum(log["length"] * ANSWERS for log in logs)
    return {
        "seed": seed,
        "served": sampler.served,
        "updates": len(logs),
        "seconds": round(time.monotonic() - began, 1),
        "rollout_seconds": round(statistics.mean(log["rollout_seconds"] for log in logs), 2),
        "tokens_per_rollout": round(tokens / len(logs)),
        "reward_first": logs[0]["reward"],
        "reward": statistics.mean(log["reward"] for log in logs[-LAST:]),
        "kl": statistics.mean(log["kl"] for log in logs[-LAST:]),
        "kl_by_update": [round(log["kl"], 2) for log in logs],
        "difference": statistics.mean(log["sampler_difference"] for log in logs),
        "difference_max": max(log["sampler_difference_max"] for log in logs),
        "sampler_kl": statistics.mean(log["sampler_kl"] for log in logs),
        "ratio_max": max(log["sampler_ratio_max"] for log in logs),
    }


def train_served(folder: Path, rows: list[dict], updates: int) -> dict[str, Any]:
    """Train on a server that this process starts, and return the figures with those of the server."""
    timed, began = Timed(), time.monotonic()
    own, started = OwnServer(folder / "vllm.txt", lambda reason: None), list[float]()

    def connect(base: Base) -> list[Server]:
        server = own.start(base)
        started.append(time.monotonic() - began)
        return [server]

    sampler = Served(connect, folder / "served", "check", lambda reason: None)
    try:
        figures = train(folder, rows, SEEDS[0], updates, sampler)
        checks = sampler.report()["rollouts"]["checks"]
    finally:
        sampler.close()
        own.stop()
    pushes = sorted(timed.pushes)
    figures |= {"start_seconds": round(started[0], 1), "checks": checks, "pushes": len(pushes)}
    figures |= {"push_ms_median": 1000 * statistics.median(pushes), "push_ms_max": 1000 * pushes[-1]}
    return figures | {"answers": len(timed.asked), "versions": len(set(timed.asked))}


def misses(served: dict[str, Any], own: list[dict[str, Any]]) -> list[str]:
    """Return the goals that the served run misses."""
    missed = []
    for name in ("reward", "kl"):
        values = [run[name] for run in own]
        noise = statistics.stdev(values)
        if abs(served[name] - statistics.mean(values)) > ERRORS * noise:
            missed.append(f"{name} {served[name]:.3f} against {statistics.mean(values):.3f} +- {noise:.3f}")
    if served["difference"] >= DIFFERENCE:
        missed.append(f"log-probabilities differ by {served['difference']:.2g}")
    if served["push_ms_median"] >= 1000 * PUSH_SECONDS:
        missed.append(f"a push takes {served['push_ms_median']:.0f} ms")
    if served["versions"] < served["updates"]:
        missed.append(f"{served['versions']} versions answered in {served['updates']} updates")
    return missed


def main() -> int:
    """Print the figures; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="tests.vllm", description=__doc__)
    parser.add_argument("--updates", type=int, default=UPDATES)
    updates = parser.parse_args().updates
    silence_libraries()
    rows = [row for row in read_rows(PROMPTS) if row["split"] == "train"][:PROMPT_COUNT]
    print(json.dumps({"cpu": cpu_features(), "base": BASE.name}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        served = train_served(Path(folder), rows, updates)
        print(json.dumps(served), flush=True)
        own = []
        for seed in SEEDS:
            own.append(train(Path(folder), rows, seed, updates))
            print(json.dumps(own[-1]), flush=True)
    missed = misses(served, own)
    print(json.dumps({"missed": missed}), flush=True)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())

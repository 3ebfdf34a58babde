# SPDX-License-Identifier: Apache-2.0
"""The estimated against the measured memory of runs in processes of their own, on shapes that differ in what is large.

`memory_estimate` measures three tiny shapes, `memory_estimate_large` the shape of Qwen3-0.6B with random weights.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from data.settings import as_dict, parse_settings
from data.store import Store
from data.transfer.importing import import_file
from rlhf.kinds import find_kind
from rlhf.runs.memory_need import estimate_run
from rlhf.runs.supervisor import worker_command
from tests.gpu import scales
from tests.support import ROOT

NARROW = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 2048}
SHAPES: dict[str, dict[str, Any]] = {
    "vocabulary": NARROW | {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "vocab_size": 100_000},
    "deep": NARROW | {"hidden_size": 128, "num_hidden_layers": 24, "intermediate_size": 512, "vocab_size": 400},
    "wide": NARROW | {"hidden_size": 768, "num_hidden_layers": 3, "intermediate_size": 3072, "vocab_size": 1000},
}
LARGE = "qwen3-0.6b"
ANSWER = 192
"""Tokens of an answer, and about the characters of one: the tokenizer's words are short."""
STEPS: dict[str, dict[str, object]] = {
    "sample": {"prompts": 16, "max_new_tokens": ANSWER},
    "reward": {"max_steps": 2},
    "sft": {"max_steps": 2, "batch_size": 8, "judge_pairs": 0},
    "dpo": {"max_steps": 2, "batch_size": 4, "judge_pairs": 0},
    "ppo": {
        "max_steps": 1,
        "batch_size": 16,
        "minibatch": 8,
        "epochs": 1,
        "max_new_tokens": ANSWER,
        "validation_prompts": 4,
        "validate_every": 1,
        "reward": "r1",
        "judge_pairs": 0,
    },
}
"""Settings of a short run of each kind; PPO takes the reward model that the second one trained.

Nobody judges the policies: a run that samples pairs would be claimed before the next kind.
"""
FEW: dict[str, dict[str, object]] = {
    "sample": {"prompts": 4},
    "reward": {"batch_size": 2},
    "sft": {"batch_size": 4},
    "dpo": {"batch_size": 2},
    "ppo": {"batch_size": 4, "minibatch": 4},
}
"""Fewer rows, for the large shape: a step takes minutes on a CPU."""


def memory_estimate(folder: Path) -> dict:
    """Measure every kind on the three tiny shapes."""
    return summary([line for shape in SHAPES for line in measure_shape(folder / shape, shape)])


def memory_estimate_large(folder: Path) -> dict:
    """Measure every kind on the large shape."""
    return summary(measure_shape(folder / LARGE, LARGE, few=True))


def summary(lines: list[dict]) -> dict:
    """Return the lines, and the largest distance of an estimate from its measurement, as a share of that."""
    return {"worst": max(abs(line["estimate"] / line["measured"] - 1) for line in lines), "runs": lines}


def measure_shape(folder: Path, shape: str, kinds: tuple[str, ...] = tuple(STEPS), *, few: bool = False) -> list[dict]:
    """Return {shape, kind, estimate, measured} in MB of a run of each kind, with fewer rows if `few`."""
    store = make_home(folder, shape)
    lines = []
    for kind in kinds:
        given = {"device": "cpu", "dtype": "float32"} | STEPS[kind] | (FEW[kind] if few else {})
        settings = parse_settings(find_kind(kind).settings_class(), given)
        estimate = estimate_run(store, kind, settings)
        assert estimate is not None
        store.runs.enqueue(kind, as_dict(settings), "bench")
        run = store.runs.claim()
        done = subprocess.run(worker_command(run.id, store.home), cwd=ROOT, capture_output=True, text=True, check=False)
        report = store.runs.get(run.id).report
        if "peak_mb" not in report:
            raise RuntimeError(f"{kind} on {shape} did not end: {done.stdout[-500:]}")
        lines.append({"shape": shape, "kind": kind, "estimate": estimate.peak, "measured": round(report["peak_mb"])})
    return lines


def make_home(folder: Path, shape: str) -> Store:
    """Return a home with a random base of that shape, and 64 rows of about 190 tokens of each kind of data."""
    folder.mkdir(parents=True)
    scales.build_model(shape, folder / "model", torch.float32, "cpu", SHAPES.get(shape))
    store = Store(folder / "home")
    store.policies.add(name="base", kind="base", base=str(folder / "model"))
    rows = []
    for number in range(64):
        prompt, good, bad = (
            f"{number:03d} " + "ask " * 15,
            f"{number:03d} " + "word " * 37,
            f"{number:03d} " + "wort " * 37,
        )
        rows.append({"prompt": prompt, "chosen": good, "rejected": bad})
    pairs, taught = folder / "pairs.jsonl", folder / "taught.jsonl"
    pairs.write_text("\n".join(map(json.dumps, rows)))
    taught.write_text("\n".join(json.dumps({"instruction": row["prompt"], "output": row["chosen"]}) for row in rows))
    import_file(store, pairs, "preferences")
    import_file(store, taught, "instructions")
    return store

# SPDX-License-Identifier: Apache-2.0
"""Each process reads its part of a sharded base alone, and computes what a whole base computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from transformers import AutoModelForCausalLM

from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from tests.support import PATIENCE, ROOT
from tests.support.ppo_parts import starting_adapter
from tests.support.tiny_families import make_family
from tests.support.tiny_model import make_tiny_model

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
BASES = ("float32-tied", "float32-files", "bfloat16-rounded", "float32-experts")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the bases' folder, and what the two processes found."""
    folder = tmp_path_factory.mktemp("parts")
    make_tiny_model("gemma", folder / "float32-tied")
    make_tiny_model("llama", folder / "float32-files", hidden=128)
    make_tiny_model("llama", folder / "bfloat16-rounded", hidden=128)
    make_family("qwen3moe", folder / "float32-experts")
    model = AutoModelForCausalLM.from_pretrained(folder / "float32-files")
    (folder / "float32-files" / "model.safetensors").unlink()
    model.save_pretrained(folder / "float32-files", max_shard_size="100KB")
    for name in BASES:
        made = starting_adapter(Base.load(folder / name), folder)
        made.rename(folder / name / "adapter")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    command += ["-m", "tests.support.processes.read_parts", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr[-5000:]
    return folder, [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("name", BASES)
def test_a_base_read_by_parts_computes_what_a_whole_one_does(found, name):
    """Fingerprint, logits, and logits with an adapter merged into the weights are equal to the last bit."""
    _, reports = found
    for report in reports:
        whole, parts = ({**report[f"{name} {sharded}"]} for sharded in (False, True))
        assert (whole.pop("sharded"), parts.pop("sharded")) == (False, True)
        for measured in ("held", "most"):
            del whole[measured], parts[measured]
        assert parts == whole
        assert parts["merged"] != parts["logits"]
        assert parts["adapters"] == []


def numbers(folder, name):
    """Return the numbers of each weight of a base, and how many of them a process of two holds."""
    base = Base.load(folder / name)
    weights = {id(weight): weight.numel() for weight in base.causal.parameters()}.values()
    layers = sum(weight.numel() for layer in decoder_layers(base.causal) for weight in layer.parameters())
    return weights, sum(weights) - layers // 2


@pytest.mark.parametrize("name", BASES)
def test_a_process_holds_its_part_of_the_layers(found, name):
    folder, reports = found
    assert [report[f"{name} True"]["held"] for report in reports] == [numbers(folder, name)[1]] * 2


def test_while_it_reads_a_process_holds_one_tensor_twice_beside_its_part(found):
    """Hashing the weights gathers one tensor into another. Without a change of dtype tensors would lie in the file."""
    folder, reports = found
    weights, part = numbers(folder, "bfloat16-rounded")
    for report in reports:
        assert report["bfloat16-rounded False"]["most"] >= 2 * sum(weights)
        assert report["bfloat16-rounded True"]["most"] <= 1.01 * 2 * (part + 2 * max(weights))

# SPDX-License-Identifier: Apache-2.0
"""A training on a sharded base has the bits of DDP: two processes over gloo, each with half of the layers' weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from data import Store
from data.settings import as_dict, parse_settings
from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from rlhf.kinds import KINDS
from tests.support import PATIENCE, ROOT
from tests.support.labeled_notes import fill
from tests.support.ppo_parts import starting_adapter, tiny_base
from tests.support.tiny_model import make_ending_model, make_tiny_model
from tests.support.vllm.server import vllm_server

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
OPTIONS = {
    "updates": 2,
    "learning_rate": 3e-3,
    "kl_target": 0.2,
    "kl_budget": 1e3,
    "eval_updates": 1,
    "max_new_tokens": 12,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 2,
}
JUDGED = OPTIONS | {"judged": True, "critic": "reward", "activation_checkpointing": True}
"""Five adapters on one base, two of them trained; the backward pass computes each layer again."""


def do_ppo(folder, options, layers):
    """Train by DDP, sharded, and from a sharded run's checkpoint; return the base and the three runs' folders."""
    base = tiny_base("llama", folder)
    starting_adapter(base, folder, config=lora_config(base.causal, layers=layers))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    command += ["-m", "tests.support.processes.sharded_ppo", str(folder), json.dumps(options)]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr[-5000:]
    return base, [folder / name for name in ("ddp", "sharded", "resumed")]


def check_equal(folders):
    """All runs end with the bits, the best policy and the logs of the first."""
    ddp, *others = (load_file(folder / "end.safetensors") for folder in folders)
    assert {"best", "last", "moment", "square"} <= {name.split(".")[0] for name in ddp}
    for tensors in others:
        assert tensors.keys() == ddp.keys()
        assert [name for name in ddp if not torch.equal(tensors[name], ddp[name])] == []
    ends = [json.loads((folder / "end.json").read_text()) for folder in folders]
    assert [end["best"] for end in ends[1:]] == [ends[0]["best"]] * 2
    assert ends[1]["logs"] == ends[0]["logs"]


def check_held(base, folders):
    """After a step each process of a sharded run holds half of the layers. Return the numbers of all, and of a part."""
    held = [json.loads((folder / "held.json").read_text()) for folder in folders]
    every, *parts = ({number for numbers in processes for number in numbers} for processes in held)
    (every,) = every
    part = every - layer_numbers(base) // 2
    assert parts == [{part}] * 2
    return every, part


@pytest.mark.parametrize(
    ("options", "layers"),
    [(OPTIONS, "1-"), (JUDGED, "")],
    ids=["joint critic above a frozen layer", "adapters for all roles"],
)
def test_ppo_on_a_sharded_base_has_the_bits_of_ddp_and_holds_half_of_its_layers(tmp_path, options, layers):
    base, folders = do_ppo(tmp_path, options, layers)
    check_equal(folders)
    check_held(base, folders)


def test_with_a_server_no_process_ever_holds_two_layers_beside_its_part(tmp_path):
    """Each row is a pass, so a validation has 3 passes in one process and 2 in the other."""
    make_tiny_model("llama", tmp_path / "served")
    with vllm_server(tmp_path / "served") as server:
        base, folders = do_ppo(tmp_path, JUDGED | {"rollouts": server.url}, "")
    check_equal(folders)
    _, part = check_held(base, folders)
    layer = layer_numbers(base) // len(decoder_layers(base.causal))
    most = [json.loads((folder / "most.json").read_text()) for folder in folders[1:]]
    assert most == [part + layer // 2] * 2


FAST = {"rank": 2, "learning_rate": 1e-2, "batch_size": 8}
TRAINED = FAST | {"judge_pairs": 0}
SFT = ("sft", TRAINED | {"from": "p1", "per_device_batch_size": 2, "gradient_checkpointing": True})
LORA = FAST | {"method": "lora", "epochs": 1, "labels": "import"}
TRAININGS = {
    "sft": SFT,
    "dpo": ("dpo", TRAINED | {"from": "p2", "labels": "import"}),
    "reward": ("reward", LORA | {"members": 2}),
    "reward of a policy": ("reward", LORA | {"from": "p2"}),
}
"""p2 is the policy of the first training: its adapter is merged into the weights before they are sharded."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the store whose runs came in pairs, by DDP and sharded; then one was stopped and resumed. And the output."""
    folder = tmp_path_factory.mktemp("trained")
    store = fill(Store(folder / "home"), make_ending_model(folder / "base"))
    for number in range(27):
        store.instructions.add(
            f"Thank Mina for thing {number}.", "Dear Mina, thank you." * (1 + number % 3), source="test"
        )
    for kind, given in TRAININGS.values():
        for strategy in ("ddp", "sharded"):
            enqueue(store, kind, given | {"strategy": strategy})
    stopped = enqueue(store, SFT[0], SFT[1] | {"strategy": "sharded"})
    enqueue(store, SFT[0], SFT[1] | {"strategy": "sharded"}, resumes=stopped.id)
    ids = [str(run.id) for run in reversed(store.runs.all())]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    command += ["-m", "tests.support.processes.sharded_runs", str(store.home), str(stopped.id), *ids]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-5000:]
    yield store, ended.stdout
    store.close()


def enqueue(store, kind, given, **about):
    """Queue a run with these settings."""
    return store.runs.enqueue(kind, as_dict(parse_settings(KINDS[kind].settings_class(), given)), "test", **about)


def weights_of(store, run):
    """Return the tensors of all adapters that a run made."""
    policies = [store.home / store.policies.get(id).adapter for id in run.produced if id.startswith("p")]
    models = [store.home / store.reward_models.get(id).adapter for id in run.produced if id.startswith("r")]
    files = [file for folder in policies + models for file in sorted(folder.rglob("*.safetensors"))]
    return {(number, name): tensor for number, file in enumerate(files) for name, tensor in load_file(file).items()}


def held_by(output, run):
    """Return the numbers that a process of the run held after a step, each once."""
    return {int(n) for n in re.findall(rf"^held \S+/runs/{run.id}/\S+ (\d+)$", output, re.MULTILINE)}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_on_a_sharded_base_has_the_bits_and_the_figures_of_ddp(trained, name):
    store, output = trained
    first = 1 + 2 * list(TRAININGS).index(name)
    ddp, shared = (store.runs.get(first + number) for number in range(2))
    one, two = (weights_of(store, run) for run in (ddp, shared))
    assert one
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    curves = [store.metrics.all_series(run.id) for run in (ddp, shared)]
    assert {key: curves[0][key] for key in ("loss", "grad_norm")} == {
        key: curves[1][key] for key in ("loss", "grad_norm")
    }
    (every,), (part,) = (held_by(output, run) for run in (ddp, shared))
    assert every - part == layer_numbers(Base.load(store.policies.get("p1").base)) // 2


def layer_numbers(base):
    """Return how many numbers the decoder layers of a base have."""
    return sum(weight.numel() for layer in decoder_layers(base.causal) for weight in layer.parameters())


def test_a_sharded_training_that_was_stopped_ends_with_the_bits_of_ddp(trained):
    store, _ = trained
    runs = list(reversed(store.runs.all()))
    assert [run.state for run in runs[-2:]] == ["cancelled", "done"]
    one, two = weights_of(store, runs[0]), weights_of(store, runs[-1])
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []

# SPDX-License-Identifier: Apache-2.0
"""A run in two processes, one of which runs out of memory or dies: all of them try again with half the pass, or end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch

from data.run_context import RunContext
from data.settings import parse_settings
from reward.base.adapters import read_adapter
from rlhf.common.out_of_memory import SIZES
from rlhf.models.reward_sources import add_sources
from rlhf.ppo.run import run as run_ppo
from rlhf.ppo.settings import PPOSettings
from tests.support import PATIENCE, ROOT
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SETTINGS = {"from": "p1", "max_steps": 1, "batch_size": 32, "epochs": 1, "max_new_tokens": 4, "rank": 2} | {
    "validation_prompts": 4,
    "validate_every": 1,
    "reward": "length",
    "per_device_batch_size": 8,
}
REWARD = """
import os, pathlib, signal
import torch, transformers
from reward.base.out_of_memory import halved

FOLDER = pathlib.Path(__file__).parent
real, steps = transformers.Trainer.training_step, []

def fail():
    "Fail in the second process, as often as the test says."
    (FOLDER / "tries").open("a").write(f"{{halved(8)}}\\n")
    {fault}

def step(*given, **options):
    steps.append(1)
    if os.environ.get("RANK") == "1" and len(steps) == 2 and "{where}" == "a step" and (halved(8) == 8 or {always}):
        fail()
    return real(*given, **options)

transformers.Trainer.training_step = step

def length(prompts, completions):
    if os.environ.get("RANK") == "1" and "{where}" == "a rollout" and (halved(8) == 8 or {always}):
        fail()
    return [float(len(text)) for text in completions]
"""
MEMORY = "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def store(tmp_path):
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    store.prompts.add_many({"text": f"Name {number} animals.", "source": "test"} for number in range(40))
    shutil.copy(TWO, store.home / "accelerate.yaml")
    yield store
    store.close()


def ended(store, fault, *, where="a step", always=False):
    """Do a PPO run in two processes, of which the second one has that fault; return its row and its log."""
    file = store.home / "rewards.py"
    file.write_text(REWARD.format(fault=fault, where=where, always=always))
    add_sources(store.home, [f"length={file}:length"])
    store.runs.enqueue("ppo", SETTINGS, "test")
    run = store.runs.claim()
    command = [sys.executable, "-m", "rlhf.runs.worker", str(run.id), "--home", str(store.home)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return store.runs.get(run.id), done.stdout


def weights_of(store, produced):
    """Return the adapter that a run made."""
    (policy,) = produced
    return read_adapter(store.home / store.policies.get(policy).adapter)[1]


def tries(store):
    return (store.home / "tries").read_text().split()


def test_all_processes_try_again_with_half_the_pass_when_memory_runs_out_in_one(store):
    run, log = ended(store, MEMORY)
    assert (run.state, run.error) == ("done", None), log[-3000:]
    assert tries(store) == ["8"]
    assert "all of them start again with passes of half the size" in log
    assert not (store.home / "runs" / str(run.id) / "out-of-memory").exists()
    context = RunContext(store, store.runs.get(store.runs.enqueue("ppo", SETTINGS, "test").id))
    alone = run_ppo(context, parse_settings(PPOSettings, SETTINGS))  # whole, in one process
    own, expected = (weights_of(store, produced) for produced in (run.produced, alone.produced))
    assert own.keys() == expected.keys()
    assert [name for name in own if not torch.allclose(own[name], expected[name], rtol=1e-4, atol=1e-5)] == []


def test_memory_that_runs_out_again_ends_the_run_with_the_settings_of_its_kind(store):
    run, log = ended(store, MEMORY, where="a rollout", always=True)
    assert run.state == "failed", log[-3000:]
    assert tries(store) == ["8", "4"]
    assert run.error.startswith("memory ran out, also with passes of half the size")
    assert all(f"{name} (" in run.error for name in SIZES["ppo"])


def test_a_process_that_is_killed_ends_the_run_with_the_settings_of_its_kind(store):
    run, log = ended(store, KILLED)
    assert run.state == "failed", log[-3000:]
    assert tries(store) == ["8"]
    assert run.error.startswith("process 1 of the run was killed, as the system does when memory runs out")
    assert "\n" not in run.error
    assert all(f"{name} (" in run.error for name in SIZES["ppo"])


def test_a_process_that_fails_alone_is_named(store):
    run, log = ended(store, "raise ValueError('a fault of its own')")
    assert run.state == "failed", log[-3000:]
    assert run.error.startswith("process 1 of the run ended with exit status 1")
    assert "ValueError: a fault of its own" in log

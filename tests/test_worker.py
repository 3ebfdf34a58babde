"""A run's own process, as the supervisor starts it: its log holds what the run says, and nothing that libraries say to each other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tiny import make_tiny_model
from tiny_home import make_judged_home

from data.store import Store
from rlhf.supervisor import ROOT, worker_command

CHATTER = re.compile(r"\w*Warning|deprecated|Writing model shards|Loading weights|it/s\]|\r")
PPO = {"max_steps": 1, "batch_size": 32, "epochs": 1, "max_new_tokens": 4, "validation_prompts": 4, "validate_every": 1, "rank": 2}
PRETRAIN = {"max_steps": 2, "hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "batch_size": 4, "context": 64}


@pytest.fixture
def ring(tmp_path: Path):
    """A tiny policy p1, and a reward model on the same base."""
    model = make_tiny_model("llama", tmp_path / "model")
    store = make_judged_home(tmp_path / "home", model)
    yield store
    store.close()


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text to pre-train on."""
    path = tmp_path / "text.txt"
    path.write_text("".join(f"Line {number} tells of {number} apples.\n" for number in range(400)))
    return path


def log_of(store: Store, kind: str, settings: dict) -> str:
    """Do a run in a process of its own; what it printed."""
    store.runs.enqueue(kind, settings, "tester")
    command = worker_command(store.runs.claim().id, store.home)
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def test_the_log_of_a_ppo_run_is_its_figures(ring: Store) -> None:
    log = log_of(ring, "ppo", PPO)
    assert ring.runs.get(1).state == "done"
    assert "'kl'" in log
    assert CHATTER.findall(log) == []


def test_the_log_of_a_pretraining_has_no_progress_bars(store: Store, text: Path) -> None:
    log = log_of(store, "pretrain", PRETRAIN | {"text": str(text)})
    assert store.runs.get(1).state == "done"
    assert CHATTER.findall(log) == []


def test_a_run_that_breaks_leaves_its_traceback(store: Store, text: Path) -> None:
    log = log_of(store, "pretrain", PRETRAIN | {"text": str(text), "heads": 3})
    assert store.runs.get(1).state == "failed"
    assert "Traceback (most recent call last)" in log

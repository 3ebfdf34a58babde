# SPDX-License-Identifier: Apache-2.0
"""A run's own process: its log, its errors, and a full disk."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import StoreTrouble
from data.store import Store
from data.tables.runs import Runs
from rlhf.kinds import Kind
from rlhf.runs.supervisor import ROOT, worker_command
from rlhf.runs.worker import EXIT, main, work
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

LIBRARY_WARNINGS = re.compile(r"\w*Warning|deprecated|Writing model shards|Loading weights|it/s\]|\r")
PPO = {
    "max_steps": 1,
    "batch_size": 32,
    "epochs": 1,
    "max_new_tokens": 4,
    "validation_prompts": 4,
    "validate_every": 1,
    "rank": 2,
}
PRETRAIN = {
    "max_steps": 2,
    "hidden_size": 16,
    "layers": 1,
    "heads": 2,
    "vocab_size": 300,
    "batch_size": 4,
    "context": 64,
}


@pytest.fixture
def store_with_policies(tmp_path: Path):
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
    """Do a run in its own process; return its output."""
    store.runs.enqueue(kind, settings, "tester")
    command = worker_command(store.runs.claim().id, store.home)
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def test_the_log_of_a_ppo_run_holds_its_figures_and_no_library_warnings(store_with_policies: Store) -> None:
    log = log_of(store_with_policies, "ppo", PPO)
    assert store_with_policies.runs.get(1).state == "done"
    assert "'kl'" in log
    assert LIBRARY_WARNINGS.findall(log) == []


def test_the_log_of_a_pretraining_has_no_progress_bars(store: Store, text: Path) -> None:
    log = log_of(store, "pretrain", PRETRAIN | {"text": str(text)})
    assert store.runs.get(1).state == "done"
    assert LIBRARY_WARNINGS.findall(log) == []


def test_a_run_s_process_keeps_the_memory_that_it_frees(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr("rlhf.runs.worker.keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(
        "rlhf.runs.worker.silence_libraries", lambda: None
    )  # or this process would keep quiet from here on
    store.runs.enqueue("sft", {}, "tester")
    assert main(["1", "--home", str(store.home)]) == 1  # nobody has claimed it
    assert kept == [True]


def test_a_failed_run_leaves_its_traceback(store: Store, text: Path) -> None:
    log = log_of(store, "pretrain", PRETRAIN | {"text": str(text), "heads": 3})
    assert store.runs.get(1).state == "failed"
    assert "Traceback (most recent call last)" in log


def run_and_fail(store: Store, monkeypatch: pytest.MonkeyPatch, problem: Exception, checkpoint: str = "") -> str:
    """Do a run that leaves a checkpoint of that name and raises `problem`; return its state."""

    def run(context, settings) -> None:
        (context.checkpoints() / checkpoint).mkdir(exist_ok=True)
        raise problem

    monkeypatch.setattr(Kind, "runner", lambda kind: run)
    store.runs.enqueue("sft", {}, "tester")
    return work(store, store.runs.claim(), Kind("sft", "rlhf.settings:SFTSettings", ""))


def torch_disk_full_error() -> Exception:
    """Return the error that torch.save raises on a full disk, with the C++ stream's error as its context."""
    problem = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")
    problem.__context__ = RuntimeError("basic_ios::clear: iostream error")
    return problem


@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        torch_disk_full_error(),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
        StoreTrouble("database or disk is full"),
        OSError("400000 requested and 25584 written"),
    ],
)
def test_a_full_disk_is_one_line_with_a_remedy(
    store: Store, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    assert run_and_fail(store, monkeypatch, problem) == "failed"
    said = "the disk is full; rows stored before are safe. Free some space, then"
    assert store.runs.get(1).error == f"{said} start the run again"
    run_and_fail(store, monkeypatch, problem, "checkpoint-50")
    assert store.runs.get(2).error == f"{said} continue from its checkpoint: preference-loop runs resume run2"


def test_another_error_of_the_file_system_is_stored_unchanged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_and_fail(store, monkeypatch, OSError(errno.EACCES, "Permission denied"))
    assert store.runs.get(1).error == "PermissionError: [Errno 13] Permission denied"


def test_the_end_of_a_run_is_stored_although_the_log_is_on_a_full_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, Full())
    assert run_and_fail(store, monkeypatch, OSError(errno.ENOSPC, "No space left on device")) == "failed"
    assert "Free some space" in store.runs.get(1).error


def test_the_supervisor_writes_the_end_that_a_full_disk_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise StoreTrouble("database or disk is full")

    monkeypatch.setattr(Runs, "finish", full)
    assert EXIT[run_and_fail(store, monkeypatch, OSError(errno.ENOSPC, "No space left on device"))] == os.EX_IOERR
    assert store.runs.get(1).state == "running"

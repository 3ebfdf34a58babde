# SPDX-License-Identifier: Apache-2.0
"""A run that was stopped, or killed, and resumed ends with the very bits of one that was never stopped."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data.errors import BadInput
from data.store import Store
from rlhf.ppo.checkpoint import STATE, last_checkpoint
from rlhf.runs.launch import resume
from tests.support import PATIENCE, ROOT
from tests.support.ppo_parts import ppo_config, ppo_trainer, starting_adapter, tiny_base
from tests.support.processes.ppo_process import main

OPTIONS = {
    "learning_rate": 1e-2,
    "kl_target": 0.05,
    "kl_horizon": 64.0,
    "kl_budget": 1e3,
    "num_ppo_epochs": 1,
    "eval_updates": 1,
}
STEPS = 2  # optimizer steps of an update: 8 answers in minibatches of 4, once


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A folder with the base and the starting adapter that `main` expects."""
    folder = tmp_path_factory.mktemp("start")
    starting_adapter(tiny_base("llama", folder), folder)
    return folder


def run(start: Path, folder: Path, **options) -> Path:
    """A run in a folder of its own, which it goes on in where there is one already."""
    shutil.copytree(start, folder, dirs_exist_ok=True)
    main(folder, **OPTIONS | {"updates": 4} | options)
    return folder


def killed(start: Path, folder: Path, **options) -> Path:
    """The same run in a process of its own, which kills itself."""
    shutil.copytree(start, folder)
    options = OPTIONS | {"updates": 4, "threads": torch.get_num_threads()} | options
    command = [sys.executable, "-m", "tests.support.processes.ppo_process", str(folder), json.dumps(options)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
    assert not (folder / "end.json").exists()
    return folder


def assert_same_end(one: Path, other: Path) -> None:
    """Weights, Adam's moments, the best policy, the price of KL and everything that was logged, bit by bit."""
    assert json.loads((one / "end.json").read_text()) == json.loads((other / "end.json").read_text())
    tensors, others = load_file(one / "end.safetensors"), load_file(other / "end.safetensors")
    assert tensors.keys() == others.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


@pytest.mark.parametrize(
    "options",
    [{}, {"evaluate": False}, {"critic": "adapter"}, {"estimator": "group", "group_size": 4}],
    ids=["evaluated", "not evaluated", "critic with an adapter of its own", "groups without a critic"],
)
def test_check_36_a_run_stopped_after_any_update_and_resumed_is_one_that_was_never_stopped(start, tmp_path, options):
    options = options | {"save_total_limit": None}
    whole = run(start, tmp_path / "whole", **options)
    logs = [log for log in json.loads((whole / "end.json").read_text())["logs"] if "loss" in log]
    assert len({log["kl_coef"] for log in logs}) > 2  # the price is steered, or its state would not be tried
    for update in range(1, 5):
        stopped = tmp_path / f"stopped after {update}"
        place = stopped / "ppo" / f"checkpoint-{STEPS * update}"
        shutil.copytree(whole / "ppo" / place.name, place)
        assert_same_end(run(start, stopped, resume=True, **options), whole)


def test_the_learning_rate_depends_on_the_update_not_on_where_a_run_stopped(start, tmp_path):
    """Linear from 1e-2 to 0 over 8 steps without warmup; the rate logged after step n is the one before its scheduler
    moved: see the list."""
    whole = run(start, tmp_path / "whole", warmup_steps=0, save_total_limit=None)
    stopped = tmp_path / "stopped"
    shutil.copytree(whole / "ppo" / "checkpoint-4", stopped / "ppo" / "checkpoint-4")
    for folder in (whole, run(start, stopped, warmup_steps=0, resume=True)):
        rates = [log["learning_rate"] for log in json.loads((folder / "end.json").read_text())["logs"] if "loss" in log]
        assert rates == pytest.approx([1e-2 * (8 - step) / 8 for step in (1, 3, 5, 7)])


def test_a_run_resumes_with_another_pass_size_up_to_rounding(start, tmp_path):
    """The minibatch stays, so the steps are the same sums in another order."""
    whole = run(start, tmp_path / "whole", save_total_limit=None)
    stopped = tmp_path / "stopped"
    shutil.copytree(whole / "ppo" / "checkpoint-4", stopped / "ppo" / "checkpoint-4")
    run(start, stopped, resume=True, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    ends = [load_file(folder / "end.safetensors") for folder in (whole, stopped)]
    first = load_file(whole / "ppo" / "checkpoint-4" / "adapter_model.safetensors")
    assert not any(torch.equal(matrix, ends[0][f"best.{name}"]) for name, matrix in first.items())
    for name, matrix in ends[0].items():
        if name.startswith("last"):
            assert (matrix - ends[1][name]).norm() <= 1e-3 * matrix.norm()


@pytest.mark.parametrize(
    ("kill", "limit"),
    [
        ("judging 4", 2),
        ("saving 8", 1),
    ],  # rewards are asked for once for their unit, then once an update; a checkpoint has 3 such files
    ids=["in the third rollout", "while the third checkpoint is written, and one is kept"],
)
def test_kill_9_loses_at_most_the_rollout_in_flight(start, tmp_path, kill, limit):
    whole = run(start, tmp_path / "whole", evaluate=False)
    folder = killed(start, tmp_path / "killed", evaluate=False, kill=kill, save_total_limit=limit)
    assert last_checkpoint(folder / "ppo").name == f"checkpoint-{2 * STEPS}"
    assert all((checkpoint / STATE).is_file() for checkpoint in (folder / "ppo").glob("checkpoint-*"))
    assert_same_end(run(start, folder, evaluate=False, resume=True, save_total_limit=limit), whole)
    assert sorted(path.name for path in (folder / "ppo").iterdir()) == ["checkpoint-6", "checkpoint-8"][-limit:]


def trainer_on(base, folder: Path, **options):
    return ppo_trainer(base, ppo_config(folder, save_strategy="steps", **options))


def test_a_checkpoint_of_another_base_is_refused_by_name(tmp_path):
    trainer_on(tiny_base("llama", tmp_path / "one"), tmp_path).train()
    other = trainer_on(tiny_base("qwen2", tmp_path / "two"), tmp_path)
    before = [p.clone() for p in other.model.parameters() if p.requires_grad]
    with pytest.raises(
        BadInput, match="checkpoint-4 was written with another fingerprint of the base: .*, now "
    ) as refused:
        other.train(resume_from_checkpoint=str(tmp_path / "ppo" / "checkpoint-4"))
    assert refused.value.field == "resume_from_checkpoint"
    assert all(
        torch.equal(p, old)
        for p, old in zip((p for p in other.model.parameters() if p.requires_grad), before, strict=True)
    )


def test_a_checkpoint_of_other_sizes_or_half_a_checkpoint_is_refused_by_name(tmp_path):
    trainer_on(tiny_base("llama", tmp_path), tmp_path).train()
    checkpoint = tmp_path / "ppo" / "checkpoint-4"
    with pytest.raises(BadInput, match="written with another rollout_batch_size: 8, now 16"):
        trainer_on(tiny_base("llama", tmp_path), tmp_path, rollout_batch_size=16).train(
            resume_from_checkpoint=str(checkpoint)
        )
    (checkpoint / STATE).unlink()
    with pytest.raises(BadInput, match=f"is not a complete checkpoint: it has no {STATE}"):
        trainer_on(tiny_base("llama", tmp_path), tmp_path).train(resume_from_checkpoint=str(checkpoint))


def test_a_run_killed_in_its_first_save_left_nothing_to_resume_from(tmp_path):
    store = Store(tmp_path / "home")
    store.runs.enqueue("ppo", {}, "test")
    lost = store.runs.claim()
    store.runs.finish(lost.id, "lost")
    (store.home / "runs" / str(lost.id) / "checkpoint" / "draft").mkdir(parents=True)
    with pytest.raises(BadInput, match=f"{lost.public} left no checkpoint"):
        resume(store, lost.id, by="test")
    store.close()

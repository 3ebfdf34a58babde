# SPDX-License-Identifier: Apache-2.0
"""Every kind of run gives in two processes what it gives in one. Both homes begin as copies, and do the same runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data import Store
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from data.tables.process_identity import identify_process
from data.views.frozen_rows import current_instructions
from rlhf.clinic import examination
from rlhf.kinds import KINDS
from tests.support import PATIENCE, ROOT
from tests.support.labeled_notes import fill
from tests.support.online import TINY as ONLINE
from tests.support.pretraining import TINY, write_lines
from tests.support.processes.run_processes import fix_what_varies
from tests.support.tiny_model import make_ending_model

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ALONE = {"judge_pairs": 0}  # a training queues no run that would sample pairs
FAST = {"rank": 2, "learning_rate": 1e-2, "batch_size": 8}
TRAINED = ALONE | FAST | {"from": "p1"}
ANSWERS = {"max_new_tokens": 8, "batch_size": 16}
SECONDS = ("seconds", "peak_mb")
TIMES = ("second", "runtime")
TRIAL = {"from": "p1", "steps": 2, "rank": 2, "batch_size": 5, "max_new_tokens": 8, "prompts": 5}
TRIAL |= {"judge": "reward", "reward": "r1", "learning_rate": 1e-2}
SFT = TRAINED | {"per_device_batch_size": 2}
RUNS = {
    "lora": ("reward", FAST | {"method": "lora", "epochs": 1, "labels": "import", "members": 2}),
    "heads": ("reward", {"method": "heads", "labels": "import"}),
    "sft": ("sft", SFT),
    "dpo": ("dpo", TRAINED | {"labels": "import"}),
    "pretrain": ("pretrain", TINY | {"max_steps": 3, "batch_size": 5}),
    "sample": ("sample", ANSWERS | {"from": "p1", "prompts": 15, "per_prompt": 2}),
    "rejection": (
        "rejection",
        TRAINED | {"reward": "r1", "n": 2, "prompts_per_round": 9, "max_new_tokens": 8, "rounds": 1},
    ),
    "best-of-n": ("best-of-n", ANSWERS | ALONE | {"from": "p1", "reward": "r1", "n": 2}),
    "compare": (
        "compare",
        ANSWERS | {"policies": "p2,p3", "against": "p1", "judge": "reward", "reward": "r1", "best_of": 2},
    ),
    "embed": ("embed", {"clusters": 2, "batch_size": 4}),
    "quantity": ("quantity", TRIAL | {"counts": [8]}),
    "ab": ("ab", TRIAL | {"a": "s1"}),
    "online": ("online", ONLINE | ALONE | {"from": "p1", "labels": "person", "max_labels": 16}),
    "stopped": ("sft", SFT),
}
"""27 train rows, 45 or so decided comparisons: steps of 8 leave a short one, whose rows do not divide by two."""
OF_STEPS = ("loss", "grad_norm", "learning_rate")
"""Curves of trainings that do not depend on passes. TRL's other figures are means over passes of unequal size."""


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Return the stores of the home whose runs had one process, and of the one whose runs had two."""
    folder = tmp_path_factory.mktemp("shared")
    store = fill(Store(folder / "one"), make_ending_model(folder / "base"))
    for number in range(27):
        store.instructions.add(
            f"Thank Mina for thing {number}.", "Dear Mina, thank you." * (1 + number % 3), source="test"
        )
    store.snapshots.freeze("instructions", list(current_instructions(store))[:8], {}, "eight")
    text = write_lines(folder)
    for kind, given in RUNS.values():
        settings = {"text": text} | given if kind == "pretrain" else given
        store.runs.enqueue(kind, as_dict(parse_settings(KINDS[kind].settings_class(), settings)), "test")
    ids = [str(run.id) for run in reversed(store.runs.all())]
    store.close()
    shutil.copytree(folder / "one", folder / "two")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    command += ["-m", "tests.support.processes.run_processes", str(folder / "two"), ids[-1], *ids]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-5000:]
    stores = Store(folder / "one"), Store(folder / "two")
    with pytest.MonkeyPatch.context() as patch:
        fix_what_varies(stores[0], True, patch.setattr)
        do_alone(stores[0], ids[:-1])
    yield stores
    for opened in stores:
        opened.close()


def do_alone(store, ids):
    """Do the runs in this process."""
    for id in ids:
        run = store.runs.get(int(id))
        store.runs.start(run.id, *identify_process())
        settings = parse_settings(KINDS[run.kind].settings_class(), run.settings)
        result = KINDS[run.kind].runner()(RunContext(store, run), settings)
        store.runs.finish(run.id, "done", produced=result.produced, report=result.report)


def runs_of(homes, name):
    """Return a run's row in both homes."""
    return [store.runs.get(1 + list(RUNS).index(name)) for store in homes]


def without_times(value):
    """Return the value without times."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in SECONDS}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def about(value, relative):
    """Return the value to compare with: numbers agree to a relative difference."""
    if isinstance(value, dict):
        return {key: about(part, relative) for key, part in value.items()}
    if isinstance(value, list):
        return [about(part, relative) for part in value]
    return pytest.approx(value, rel=relative, abs=1e-5, nan_ok=True) if isinstance(value, float) else value


@pytest.mark.parametrize("name", [name for name in RUNS if name != "stopped"])
def test_a_run_of_two_processes_has_the_report_the_curves_and_the_products_of_one(homes, name):
    """Muon's first steps divide by small singular values, so rounding shows in the fifth digit of pre-training."""
    one, two = runs_of(homes, name)
    exact = 1e-4 if name == "pretrain" else 1e-5
    assert (one.state, two.state, two.produced) == ("done", "done", one.produced)
    assert without_times(two.report) == about(without_times(one.report), exact)
    curves = [store.metrics.all_series(run.id) for store, run in zip(homes, (one, two), strict=True)]
    assert curves[1].keys() == curves[0].keys()
    trained = curves[0].keys() & OF_STEPS if name in ("sft", "dpo", "pretrain", "rejection") else curves[0].keys()
    for key in trained - {"train_loss"}:  # transformers counts it in each process alone
        if any(word in key for word in TIMES):
            continue
        assert curves[1][key] == [(step, about(value, 10 * exact)) for step, value in curves[0][key]], key


def test_all_weights_are_equal(homes):
    files = [sorted(path.relative_to(store.home) for path in store.home.rglob("*.safetensors")) for store in homes]
    files[1] = [file for file in files[1] if "checkpoint" not in file.parts]  # of the run that was stopped
    assert files[0] == files[1]
    assert len(files[0]) >= 8  # two members, heads, and five policies with weights
    for file in files[0]:
        one, two = (load_file(store.home / file) for store in homes)
        assert one.keys() == two.keys()
        close = (
            {"rtol": 1e-5, "atol": 1e-5}
            if one[next(iter(one))].dtype == torch.float32
            else {"rtol": 2**-7, "atol": 1e-3}
        )
        assert [name for name in one if not torch.allclose(one[name], two[name], **close)] == [], file


def test_a_run_of_which_one_process_was_asked_to_stop_is_saved_whole_and_resumes_in_one(homes):
    alone, shared = homes
    stopped = runs_of(homes, "stopped")[1]
    checkpoint = shared.home / "runs" / str(stopped.id) / "checkpoint" / "checkpoint-1"
    assert (stopped.state, stopped.error, stopped.produced) == ("cancelled", None, [])
    assert len(list(checkpoint.glob("rng_state_*.pth"))) == 2
    settings = parse_settings(KINDS["sft"].settings_class(), SFT)
    resumed = shared.runs.enqueue("sft", as_dict(settings), "test", resumes=stopped.id)
    result = KINDS["sft"].runner()(RunContext(shared, resumed), settings)
    one, two = (
        load_file(store.home / store.policies.get(public).adapter / "adapter_model.safetensors")
        for store, public in ((alone, runs_of(homes, "sft")[0].produced[0]), (shared, result.produced[0]))
    )
    assert [name for name in one if not torch.allclose(one[name], two[name], rtol=1e-5, atol=1e-5)] == []


def test_stored_answers_pairs_and_snapshots_are_equal(homes):
    for table in ("completions", "pairs", "snapshots", "evaluations"):
        columns = "id" if table != "evaluations" else "policy_id, against_id"
        one, two = (store.rows(f"SELECT {columns} FROM {table} ORDER BY 1") for store in homes)
        assert one == two
    maps = [
        store.home / "runs" / str(run.id) / examination.FILE
        for store, run in zip(homes, runs_of(homes, "embed"), strict=True)
    ]
    one, two = map(np.load, maps)
    assert np.allclose(one["instructions"], two["instructions"], atol=1e-5)

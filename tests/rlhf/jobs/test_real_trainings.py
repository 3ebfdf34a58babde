# SPDX-License-Identifier: Apache-2.0
"""Every kind of run gives on a node what it gives here: both homes begin as copies, and do the same runs."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading

import pytest

from data import Store
from data.settings import as_dict, parse_settings
from labeling.quality.agreement import MEASURED, write_agreement
from rlhf.jobs import commands
from rlhf.jobs.bundle import make_bundle
from rlhf.kinds import KINDS
from rlhf.launchers.local import LocalLauncher
from rlhf.launchers.run_queue import RunQueue
from rlhf.runs.launch import enqueue, resume
from tests.rlhf.runs.test_supervisor import until
from tests.support.jobs.reports import without_times
from tests.support.jobs.server import JobServer
from tests.support.labeled_notes import fill
from tests.support.pretraining import TINY
from tests.support.tiny_model import make_ending_model

ALONE = {"judge_pairs": 0}
FAST = {"rank": 2, "learning_rate": 1e-2, "batch_size": 8}
SHORT = {"max_new_tokens": 6}
PPO = {"max_steps": 2, "batch_size": 32, "epochs": 1, "max_new_tokens": 4, "validation_prompts": 4, "rank": 2}
RUNS = {
    "sft": ALONE | FAST | {"from": "p1"},
    "reward": {"method": "heads", "labels": "import", "base": "", "guard": "no"},
    "dpo": ALONE | FAST | {"from": "p1", "labels": "import"},
    "ppo": ALONE | PPO | {"from": "p1", "reward": "r1", "guard": "none", "validate_every": 1},
    "pretrain": TINY | {"max_steps": 3, "batch_size": 5},
    "rejection": ALONE | FAST | SHORT | {"from": "p1", "reward": "r1", "n": 2, "prompts_per_round": 6, "rounds": 2},
    "sample": SHORT | {"from": "p2", "prompts": 8},
}
"""Runs by their kinds, in order: the ppo run reads the reward model that the reward run made."""
PATIENCE = 600.0


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Return the stores of the home whose runs worked here, and of the one whose runs worked on a node."""
    folder = tmp_path_factory.mktemp("jobs")
    base = make_ending_model(folder / "base")
    store = fill(Store(folder / "here"), base)
    for number in range(27):
        store.instructions.add(f"Thank Mina for thing {number}.", "Dear Mina, thank you.", source="test")
    store.close()
    shutil.copytree(folder / "here", folder / "there")
    shutil.copytree(base, folder / "moved")
    here, there = Store(folder / "here"), Store(folder / "there")
    queue, server = RunQueue(here, LocalLauncher(here)), JobServer(there.home)
    server.start()
    node = commands.Worker(folder / "node", server.address, there.worker_tokens.issue_for_worker("node"), "node")
    node.moved = {str(base): str(folder / "moved")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(commands, "STEP_SECONDS", 0.1)
        for kind, given in RUNS.items():
            settings = as_dict(parse_settings(KINDS[kind].settings_class(), given))
            enqueue(here, kind, settings, by="rae")
            until(lambda: not queue.step(), PATIENCE)
            enqueue(there, kind, settings | {"launcher": "worker"}, by="rae")
            node.work(once=True)
    yield here, there, node, server
    server.kill()
    here.close()
    there.close()


def read_file(path) -> bytes:
    """Return a file's bytes; those of PEFT's configuration with its sets in order."""
    if path.name != "adapter_config.json":
        return path.read_bytes()
    config = json.loads(path.read_text())
    return json.dumps(
        {key: sorted(value) if isinstance(value, list) else value for key, value in config.items()}
    ).encode()


@pytest.mark.parametrize("number", range(1, 1 + len(RUNS)), ids=list(RUNS))
def test_a_training_on_a_node_has_the_report_curves_and_products_of_one_here(homes, number):
    here, there, *_ = homes
    one, other = here.runs.get(number), there.runs.get(number)
    assert (one.state, one.error, other.state, other.error) == ("done", None, "done", None)
    assert (other.produced, other.done, other.total) == (one.produced, one.done, one.total)
    assert without_times(other.report) == without_times(one.report)
    curves = [
        {
            key: points
            for key, points in store.metrics.all_series(number).items()
            if "second" not in key and "runtime" not in key
        }
        for store in (here, there)
    ]
    assert str(curves[1]) == str(curves[0])  # NaN differs from itself
    assert there.metrics.samples(number) == here.metrics.samples(number)


def test_all_files_of_models_are_equal_byte_by_byte(homes):
    here, there, *_ = homes
    files = [
        {
            str(path.relative_to(store.home)): read_file(path)
            for part in ("policies", "rewards")
            for path in (store.home / part).rglob("*")
            if path.is_file()
        }
        for store in (here, there)
    ]
    assert files[0].keys() == files[1].keys()
    assert [name for name in files[0] if files[0][name] != files[1][name]] == []
    assert any(name.endswith("adapter_model.safetensors") for name in files[0])


def test_rows_of_models_differ_in_nothing_but_their_time_and_place(homes):
    here, there, *_ = homes
    rows = []
    for store in (here, there):
        found = store.rows("SELECT * FROM policies") + store.rows("SELECT * FROM reward_models")
        for row in found:
            row.pop("created_at")
            row["config"] = row["config"].replace('"launcher":"worker"', '"launcher":"local"')
            row.pop("report", None)
        rows.append(found)
    assert rows[0] == rows[1]


ROWS = {
    "snapshots": "SELECT * FROM snapshots ORDER BY id",
    "snapshot_rows": "SELECT * FROM snapshot_rows ORDER BY snapshot_id, position",
    "completions": "SELECT * FROM completions ORDER BY rowid",
    "pairs": "SELECT * FROM pairs ORDER BY id",
}


@pytest.mark.parametrize("table", ROWS)
def test_rows_of_runs_differ_in_nothing_but_their_time(homes, table):
    here, there, *_ = homes
    one, other = ([row | {"created_at": ""} for row in store.rows(ROWS[table])] for store in (here, there))
    assert other == one
    assert one


def test_a_cancelled_training_continues_on_another_node_and_ends_as_one_here(homes, tmp_path):
    here, there, node, server = homes
    settings = {**there.runs.get(1).settings, "max_steps": 300}
    enqueue(here, "sft", settings | {"launcher": "local"}, by="rae")
    queue = RunQueue(here, LocalLauncher(here))
    until(lambda: not queue.step(), PATIENCE)
    run = enqueue(there, "sft", settings, by="rae")
    first = threading.Thread(target=node.work, kwargs={"once": True})
    first.start()
    until(lambda: there.runs.get(run.id).done, PATIENCE)
    there.runs.request_cancel(run.id)
    first.join()
    assert there.runs.get(run.id).state == "cancelled"
    resumed = resume(there, run.id, by="rae")
    other = commands.Worker(tmp_path / "other", server.address, node.token, "other")
    assert other.work(once=True)["status"] == "done"
    weights = [
        (
            store.home / store.policies.get(store.runs.get(id).produced[0]).adapter / "adapter_model.safetensors"
        ).read_bytes()
        for store, id in ((here, run.id), (there, resumed.id))
    ]
    assert weights[0] == weights[1]


def test_the_home_of_a_job_knows_the_agreement_without_verdicts(labeled, tmp_path):
    write_agreement(labeled, tmp_path)
    empty = Store(tmp_path)
    from labeling.quality.agreement import measure_agreement

    assert (tmp_path / MEASURED).is_file()
    assert measure_agreement(empty, "import") == measure_agreement(labeled, "import")
    empty.close()


def test_a_bundle_knows_the_agreement_of_the_sources_of_its_rows_alone(labeled, tmp_path):
    settings = parse_settings(KINDS["reward"].settings_class(), RUNS["reward"] | {"launcher": "worker"})
    run = enqueue(labeled, "reward", as_dict(settings), by="rae")
    make_bundle(labeled, run, tmp_path / "bundle.tar")
    with tarfile.open(tmp_path / "bundle.tar") as bundle:
        measured = json.load(bundle.extractfile(MEASURED))
    assert measured.keys() == {"person", "import"}

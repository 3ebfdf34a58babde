# SPDX-License-Identifier: Apache-2.0
"""Exports and merges as runs: a file to download, a policy of its run, and nothing left by a cancelled one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
import torch
from safetensors.numpy import load_file

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.common import locks
from rlhf.export import export_policy, export_reward_model
from rlhf.kinds import KINDS
from rlhf.model_runs import ExportSettings, run_export
from rlhf.pages.export import exported_files
from rlhf.runs.launch import launch
from rlhf.runs.worker import work
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def home(store, tmp_path):
    """A home with the bare base p1 and p2, an adapter on it; no run starts by itself."""
    folder = make_tiny_model("llama", tmp_path / "base")
    base = Base.load(folder)
    base.add_adapter("mine")
    base.save_adapter("mine", store.home / "new")
    store.policies.add(name="tiny", kind="base", base=str(folder))
    store.policies.publish(store.home / "new", name="ppo", kind="ppo", base=str(folder), parent_id=1)
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        yield store


def do(store, kind, **settings):
    """Queue the run and do it here; return its row."""
    run = launch(store, kind, settings, by="rae")
    store.runs.claim()
    work(store, store.runs.get(run.id), KINDS[kind])
    return store.runs.get(run.id)


@pytest.mark.parametrize(("merge", "name"), [(False, "p2-adapter-run1"), (True, "p2-merged-run1")])
def test_an_export_run_packs_the_exported_folder_into_one_file(home, tmp_path, merge, name):
    run = do(home, "export", **{"from": "p2", "merge": merge})
    (file,) = exported_files(home.home / "exports")
    assert (run.state, run.report["file"], run.report["bytes"]) == ("done", f"exports/{name}.zip", file.stat().st_size)
    export_policy(home, "p2", tmp_path / name, merge=merge)
    expected = {str(path.relative_to(tmp_path)) for path in (tmp_path / name).rglob("*") if path.is_file()}
    with ZipFile(file) as packed:
        assert set(packed.namelist()) == expected
        weights = "model.safetensors" if merge else "adapter_model.safetensors"
        assert packed.read(f"{name}/{weights}") == (tmp_path / name / weights).read_bytes()
    assert home.audit.all()[0]["actor"] == "rae"


def test_a_bare_base_is_exported_as_a_model(home):
    assert do(home, "export", **{"from": "p1"}).report["file"] == "exports/p1-model-run1.zip"


def test_a_reward_model_is_exported_by_its_id_in_place_of_a_policy(home, tmp_path):
    base = Base.load(home.policies.get(1).base)
    base.add_adapter("judge")
    RewardModel(base, [Member("judge", torch.zeros(base.hidden_size))], describe_base(base)).save(home.home / "new")
    home.reward_models.publish(home.home / "new", name="judge", base=base.name)
    run = do(home, "export", reward="r1")
    assert (run.state, run.report["file"]) == ("done", "exports/r1-adapter-run1.zip")
    export_reward_model(home, "r1", tmp_path / "r1-adapter-run1")
    with ZipFile(home.home / "exports" / "r1-adapter-run1.zip") as packed:
        names = {
            str(path.relative_to(tmp_path)) for path in (tmp_path / "r1-adapter-run1").rglob("*") if path.is_file()
        }
        assert set(packed.namelist()) == names
    with pytest.raises(BadInput, match="r9"):
        launch(home, "export", {"reward": "r9"}, by="rae")


def test_a_second_export_replaces_the_file_of_the_same_policy_and_form_only(home):
    for start, merge in (("p2", False), ("p2", True), ("p1", False), ("p2", True)):
        do(home, "export", **{"from": start, "merge": merge})
    files = sorted(file.name for file in (home.home / "exports").iterdir())
    assert files == ["p1-model-run3.zip", "p2-adapter-run1.zip", "p2-merged-run4.zip"]


@pytest.mark.parametrize(("start", "merge"), [("p1", False), ("p2", False), ("p2", True)])
def test_an_export_that_the_disk_cannot_hold_writes_nothing(home, monkeypatch, start, merge):
    policy = home.policies.get(start)
    file = Path(policy.base) / "model.safetensors"
    merged = 4 * sum(tensor.size for tensor in load_file(file).values())  # in float32
    free = 2 * (merged if merge else file.stat().st_size) - 1  # the folder and its file; a whole base holds more
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    context = RunContext(home, launch(home, "export", {"from": start, "merge": merge}, by="rae"))
    with pytest.raises(BadInput, match=f"an export of {start} needs"):
        run_export(context, ExportSettings(from_=start, merge=merge))
    assert list((home.home / "exports").iterdir()) == []


def test_a_cancelled_export_leaves_no_file(home):
    run = launch(home, "export", {"from": "p2"}, by="rae")
    context = RunContext(home, run)
    home.runs.request_cancel(run.id)
    with pytest.raises(Cancelled):
        run_export(context, ExportSettings(from_="p2"))
    assert list((home.home / "exports").iterdir()) == []


def test_a_merge_run_produces_a_policy_that_names_its_run(home):
    run = do(home, "merge", **{"from": "p2"})
    merged = home.policies.get(run.produced[0])
    assert (run.state, run.produced, merged.run_id, merged.parent_id, merged.adapter) == (
        "done",
        ["p3"],
        run.id,
        2,
        None,
    )
    assert run.report["bytes"] > 0


def test_a_base_is_not_queued_for_a_merge(home):
    with pytest.raises(BadInput, match="p1 has no adapter to merge"):
        launch(home, "merge", {"from": "p1"}, by="rae")

# SPDX-License-Identifier: Apache-2.0
"""Disk use of runs: what a prune deletes, what stays, and what the commands and pages say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import app
from data.clock import later, now
from data.errors import BadInput
from data.run_context import RunContext
from data.store import Store
from rlhf.common.estimate import STALLED, stalled_seconds
from rlhf.pages.runs.view import Surroundings, draw_head
from rlhf.runs.disk_use import count_bytes, format_bytes, list_removals, prune
from rlhf.runs.launch import has_checkpoint


def add_run(store: Store, state: str = "done", *folders: str, resumes: int | None = None) -> Path:
    """Add a run of that state with a log, an examination and these folders of 1,000 bytes each."""
    run = store.runs.enqueue("ppo", {}, "rae", resumes=resumes)
    if state != "queued":
        store.runs.start(run.id, 1, 0.0, "")
    if state not in ("queued", "running"):
        store.runs.finish(run.id, state)
    folder = store.home / "runs" / str(run.id)
    for name in folders:
        (folder / name / "inner").mkdir(parents=True)
        (folder / name / "inner" / "weights").write_bytes(bytes(1000))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_text("log")
    (folder / "examination.npz").write_bytes(b"map")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_only_what_nothing_needs_is_deleted(store):
    done = add_run(store, "done", "checkpoint", "adapter", "kept")
    store.policies.add(name="a", kind="ppo", base="gpt2", adapter="runs/1/adapter")
    pretrained = add_run(store, "done", "base", "checkpoint")
    store.policies.add(name="b", kind="base", base=str(pretrained / "base" / "inner"))
    failed, working = add_run(store, "failed", "checkpoint"), add_run(store, "running", "checkpoint")
    resumed = add_run(store, "cancelled", "checkpoint")
    add_run(store, "queued", resumes=5)
    (done / "link").symlink_to(working)
    expected = ["3/checkpoint", "2/checkpoint", "1/checkpoint", "1/kept"]
    assert [f"{run.id}/{folder.name}" for run, folder, _ in list_removals(store, 0)] == expected
    assert [f"{run.id}/{folder.name}" for run, folder, _ in list_removals(store, 5)] == expected[2:]
    assert [f"{run.id}/{folder.name}" for run, folder, _ in prune(store, 0, by="rae")] == expected
    assert names(done) == ["adapter", "examination.npz", "link", "log.txt"]
    assert names(pretrained) == ["base", "examination.npz", "log.txt"]
    assert names(failed) == ["examination.npz", "log.txt"]
    assert "checkpoint" in names(working)
    assert "checkpoint" in names(resumed)
    assert not has_checkpoint(store, store.runs.get(3))
    assert store.audit.all()[0]["detail"] == {"bytes": 4000, "runs": [1, 2, 3]}
    assert prune(store, 0, by="rae") == []
    assert names(store.home / "runs") == ["1", "2", "3", "4", "5", "6"]


def test_a_killed_prune_is_finished_by_the_next_one(store):
    add_run(store)
    (store.home / "runs" / ".pruned-1-checkpoint").mkdir()
    prune(store, 0, by="rae")
    assert names(store.home / "runs") == ["1"]


def test_a_prune_deletes_what_killed_exports_left_and_no_other_file_of_the_folder(store):
    exports, working = store.home / "exports", store.runs.enqueue("export", {}, "rae")
    drafts = [f".export.{working.public}.abc", ".export.old_page", ".export.new_page"]
    for name in drafts:
        (exports / name).mkdir(parents=True)
    (exports / "p1-model-run1.zip").write_bytes(b"zip")
    os.utime(exports / ".export.old_page", (0, 0))
    store.runs.start(working.id, 1, 0.0, "")
    prune(store, 0, by="rae")
    assert names(exports) == [".export.new_page", drafts[0], "p1-model-run1.zip"]
    store.runs.finish(working.id, "lost")
    prune(store, 0, by="rae")
    assert names(exports) == [".export.new_page", "p1-model-run1.zip"]


def test_a_negative_number_of_runs_is_refused(store):
    with pytest.raises(BadInput, match="-1 is no number of runs"):
        list_removals(store, -1)


def test_the_command_lists_the_same_with_and_without_dry_run(store, home, capsys):
    add_run(store, "done", "checkpoint")

    def run(*more: str) -> str:
        assert app.main(["runs", *more, "--home", str(home)]) == 0
        return capsys.readouterr().out.strip()

    assert run() == "run1 done  (ppo, 1.01 kB)"
    assert run(
        "prune", "--dry-run"
    ) == "Nothing to delete: policies, reward models or runs at work need all folders, " + ("or --keep covers them.")
    listed = run("prune", "--dry-run", "--keep", "0")
    assert listed == "run1/checkpoint  1 kB\n1 kB would be deleted"
    assert (home / "runs" / "1" / "checkpoint").is_dir()
    assert run("prune", "--keep", "0") == "run1/checkpoint  1 kB\n1 kB deleted"
    assert not (home / "runs" / "1" / "checkpoint").exists()
    document = json.loads(run("prune", "--json", "--keep", "0"))
    assert document == {"pruned": [], "bytes": 0, "dry_run": False}


def test_a_run_without_progress_is_reported(store, home, capsys):
    add_run(store, "running")
    run = store.runs.get(1)
    assert stalled_seconds(run, later(STALLED - 5)) is None
    assert stalled_seconds(run, later(720)) == pytest.approx(720, abs=5)
    store.runs.progress(1, 1, 9)
    store.execute("UPDATE runs SET progress_at = ?, started_at = ?", [later(-720), later(-7200)])
    store.runs.heartbeat(1)
    assert app.main(["runs", "--home", str(home)]) == 0
    assert capsys.readouterr().out.strip() == "run1 running  (ppo, 6 B, no progress for 12 min)"
    assert "No progress for 12 min." in draw_head(store.runs.get(1), Surroundings(size=6))
    assert "6 B" in draw_head(store.runs.get(1), Surroundings(size=6))
    RunContext(store, store.runs.get(1)).metric(3, loss=0.5)
    assert stalled_seconds(store.runs.get(1), now()) is None
    assert "No progress" not in draw_head(store.runs.get(1))
    store.runs.finish(1, "failed")
    assert stalled_seconds(store.runs.get(1), later(7200)) is None


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1_230_000, "1.23 MB"), (45_600_000_000, "45.6 GB")]
)
def test_bytes_are_formatted(size, text):
    assert format_bytes(size) == text


def test_a_missing_folder_has_no_bytes(tmp_path):
    assert count_bytes(tmp_path / "none") == 0

# SPDX-License-Identifier: Apache-2.0
"""A backup taken in use restores everything; a restore refuses a home that holds anything."""

from __future__ import annotations

import fcntl
import io
import tarfile

import pytest
from sqlite_utils.utils import sqlite3

from data import Store
from data.errors import BadInput
from data.transfer.backup import back_up, restore


@pytest.fixture
def full(store, tmp_path):
    """A home with a prompt, a curve, a policy in its place and one that a run keeps."""
    store.prompts.add("Say hi.", source="here")
    store.metrics.log(1, 3, {"loss": 0.5})
    folder = store.home / "new"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"one")
    store.policies.publish(folder, name="sft", kind="sft", base="gpt2")
    remaining = store.home / "runs" / "2" / "adapter"
    remaining.mkdir(parents=True)
    (remaining / "adapter_model.safetensors").write_bytes(b"two")
    (store.home / "runs" / "2" / "log.txt").write_text("noise")
    store.policies.add(name="ppo", kind="ppo", base="gpt2", adapter="runs/2/adapter")
    return store


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_what_was_backed_up_in_use_is_there_again(full, tmp_path, name):
    with full.transaction():  # a labeler is just writing
        full.prompts.add("Not yet.", source="here")
        # another connection, as another process has it
        other = Store(full.home)
        result = back_up(other, tmp_path / name)
        other.close()
    assert result["members"][1:] == ["feedback.db", "metrics.db", "policies", "runs/2/adapter"]
    restore(tmp_path / "again", tmp_path / name)
    again = Store(tmp_path / "again")
    assert [prompt.text for prompt in again.prompts.all()] == ["Say hi."]
    assert again.metrics.series(1, "loss") == [(3, 0.5)]
    assert (again.home / "policies/p1/adapter_model.safetensors").read_bytes() == b"one"
    assert (again.home / again.policies.get("p2").adapter / "adapter_model.safetensors").read_bytes() == b"two"
    assert not (again.home / "runs" / "2" / "log.txt").exists()
    again.close()


def test_nothing_is_left_beside_the_backup(full, tmp_path):
    target = tmp_path / "place"
    target.mkdir()
    back_up(full, target / "all.tar")
    assert [path.name for path in target.iterdir()] == ["all.tar"]
    with pytest.raises(BadInput, match="this file or folder exists"):
        back_up(full, target / "all.tar")
    back_up(full, target / "all.tar", force=True)


def test_a_home_that_holds_anything_is_refused(full, tmp_path):
    back_up(full, tmp_path / "all.tar")
    with pytest.raises(BadInput, match="the home is not empty"):
        restore(full.home, tmp_path / "all.tar")
    assert full.prompts.count() == 1
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "empty", tmp_path / "all.tar")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="the home is a file"):
        restore(tmp_path / "file", tmp_path / "all.tar")


def test_a_home_in_use_is_refused(full, tmp_path):
    back_up(full, tmp_path / "all.tar")
    with (full.home / "serve.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="the home is in use"):
            restore(full.home, tmp_path / "all.tar")


def test_a_cut_or_foreign_file_is_refused_and_leaves_no_home(full, tmp_path):
    for name in ("all.tar", "all.tar.gz"):
        back_up(full, tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text").write_text("no tar at all")
    with tarfile.open(tmp_path / "other.tar", "w") as other:
        other.add(tmp_path / "text", "text")
    for name in ("all.tar", "all.tar.gz", "text", "other.tar", "none"):
        with pytest.raises(BadInput):
            restore(tmp_path / "again", tmp_path / name)
        assert not (tmp_path / "again").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("damaged", [0, 4096])
def test_a_damaged_database_is_refused(full, tmp_path, damaged):
    back_up(full, tmp_path / "all.tar")
    whole = bytearray((tmp_path / "all.tar").read_bytes())
    start = whole.index(b"SQLite format 3")
    whole[start + damaged : start + damaged + 4096] = b"\xaa" * 4096
    (tmp_path / "all.tar").write_bytes(bytes(whole))
    with pytest.raises(BadInput, match="the database in the backup is damaged"):
        restore(tmp_path / "again", tmp_path / "all.tar")
    assert not (tmp_path / "again").exists()


def link(name):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("reward-sources.json"),
        tarfile.TarInfo("accelerate.yaml"),
        tarfile.TarInfo("/tmp/absolute"),
        tarfile.TarInfo("policies/../evil"),
        tarfile.TarInfo("runs/2/log.txt"),
        link("policies/p9"),
    ],
    ids=lambda member: member.name,
)
def test_a_member_that_backup_does_not_write_is_refused(full, tmp_path, member):
    back_up(full, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar", "a") as archive:
        archive.addfile(member, io.BytesIO())
    with pytest.raises(BadInput, match="which `backup` does not write"):
        restore(tmp_path / "again", tmp_path / "all.tar")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("CREATE TRIGGER evil AFTER INSERT ON tokens BEGIN DELETE FROM accounts; END", "the trigger 'evil' is not of"),
        ("CREATE TABLE songs (title)", "the table 'songs' is not of this program"),
        ("CREATE VIEW people AS SELECT * FROM accounts", "the view 'people' is not of this program"),
        ("DROP TRIGGER comparisons_refuse_update", "the trigger 'comparisons_refuse_update' is missing"),
        ("ALTER TABLE prompts ADD COLUMN more TEXT", "the table 'prompts' differs from this version's"),
    ],
)
def test_an_object_that_no_migration_creates_is_refused(full, tmp_path, sql, problem):
    changed = sqlite3.connect(full.path, isolation_level=None)
    changed.execute(sql)
    changed.close()
    back_up(full, tmp_path / "all.tar")
    with pytest.raises(BadInput, match=problem):
        restore(tmp_path / "again", tmp_path / "all.tar")
    assert not (tmp_path / "again").exists()

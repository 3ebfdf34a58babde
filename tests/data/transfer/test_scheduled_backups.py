# SPDX-License-Identifier: Apache-2.0
"""Backups of a server: due by the age of the newest copy, verified before it counts, and pruned by home."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from data import Store
from data.clock import parse_duration
from data.errors import BadInput
from data.transfer import scheduled_backups
from data.transfer.backup import restore
from data.transfer.scheduled_backups import ScheduledBackups

DAY = 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the copies; the server creates it."""
    return tmp_path / "copies" / "here"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="preference_loop.backup")
    return caplog


def make_old(backups: ScheduledBackups, stamp: str) -> Path:
    """Create a file with the name of a copy."""
    copy = backups.folder / f"{backups.prefix}{stamp}.tar"
    copy.write_bytes(b"old")
    return copy


@pytest.mark.parametrize(("text", "seconds"), [("24h", DAY), ("30m", 1800), ("7d", 7 * DAY), ("90s", 90)])
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "0h", "-1h", "1.5h", "24 h", "24H", "9999999h", "²h", "1h30m"])
def test_other_durations_are_refused_in_one_line(text):
    with pytest.raises(BadInput, match="is not a duration. Write a number and a unit, such as 24h or 30m") as refused:
        parse_duration(text)
    assert repr(text) in str(refused.value)


def test_the_first_backup_is_due_at_once_and_the_next_after_its_time(store, folder, log):
    backups = ScheduledBackups(store, folder, DAY, 2)
    assert (backups.step(), backups.step()) == (True, False)
    assert [path.name for path in folder.iterdir()] == [backups.copies()[0].name]
    assert backups.copies()[0].stat().st_mode & 0o777 == 0o600
    assert "backup written and verified" in log.text
    restarted = ScheduledBackups(store, folder, DAY, 2)
    assert not restarted.is_due()
    backups.copies()[0].rename(folder / f"{backups.prefix}20200101T000000Z.tar")
    assert restarted.is_due()


def test_a_copy_from_the_future_does_not_stop_the_backups(store, folder):
    backups = ScheduledBackups(store, folder, DAY, 2)
    make_old(backups, "29990101T000000Z")
    assert backups.is_due()


def test_only_older_copies_of_this_home_are_removed(store, folder, tmp_path, log):
    backups = ScheduledBackups(store, folder, DAY, 2)
    old = [make_old(backups, f"2020010{day}T000000Z") for day in range(1, 5)]
    link = folder / f"{backups.prefix}20190101T000000Z.tar"
    link.symlink_to(old[0])
    others = [folder / "notes.txt", folder / "preference-loop-00000000-20200101T000000Z.tar", folder / "all.tar"]
    for path in others:
        path.write_text("mine")
    assert backups.step()
    assert backups.copies()[:-1] == old[3:]
    assert link.is_symlink()
    assert all(path.read_text() == "mine" for path in others)
    assert log.text.count("backup removed") == 3


def test_a_failure_is_logged_and_leaves_the_older_copies(store, folder, log, monkeypatch):
    backups = ScheduledBackups(store, folder, DAY, 1)
    old = make_old(backups, "20200101T000000Z")

    def fill_disk(store: Store, out: Path) -> None:
        out.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduled_backups, "back_up", fill_disk)
    assert not backups.step()
    assert "No space left on device" in backups.last_error
    assert list(folder.iterdir()) == [old]
    assert "backup failed" in log.text
    assert not backups.is_due()
    backups.failed_at -= 600
    monkeypatch.undo()
    assert backups.step()
    assert (backups.last_error, len(backups.copies())) == (None, 1)


def test_a_damaged_copy_never_counts(store, folder, log, monkeypatch):
    store.prompts.add("Say hi.", source="here")
    backups = ScheduledBackups(store, folder, DAY, 1)
    old = make_old(backups, "20200101T000000Z")

    def lose_rows(home: Path, file: Path) -> None:
        restore(home, file)
        copy = Store(home)
        copy.execute("INSERT INTO tallies VALUES (1, 1, 5)") if copy.accounts.add("x", "labeler") else None
        copy.close()

    monkeypatch.setattr(scheduled_backups, "restore", lose_rows)
    assert not backups.step()
    assert "the copy is damaged: feedback.db" in backups.last_error
    assert list(folder.iterdir()) == [old]


def test_a_home_with_findings_keeps_its_older_copies(store, folder, log):
    account = store.accounts.add("lab", "labeler")
    store.execute("INSERT INTO tallies VALUES (?, 1, 5)", [account.id])
    backups = ScheduledBackups(store, folder, DAY, 1)
    old = make_old(backups, "20200101T000000Z")
    assert backups.step()
    assert [old, len(backups.copies())] == [backups.copies()[0], 2]
    assert "the home has 1 findings, so older backups stay" in log.text


def test_a_base_outside_of_the_home_is_no_fault_of_the_copy(store, folder, tmp_path, log):
    store.policies.add(name="old", kind="base", base=str(tmp_path / "deleted"))
    backups = ScheduledBackups(store, folder, DAY, 1)
    old = make_old(backups, "20200101T000000Z")
    assert backups.step()
    assert not old.exists()


def test_leftovers_of_a_killed_server_are_removed(store, folder):
    backups = ScheduledBackups(store, folder, DAY, 1)
    work = folder / f".{backups.prefix}part"
    work.mkdir()
    (work / "half.tar").write_bytes(b"half")
    assert backups.step()
    assert not work.exists()


@pytest.mark.parametrize("place", ["", "backups"])
def test_a_folder_inside_the_home_is_refused(store, place):
    with pytest.raises(BadInput, match="a backup inside the home is lost with the home"):
        ScheduledBackups(store, store.home / place, DAY, 1)


def test_a_folder_that_cannot_be_made_is_refused(store, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="no folder can be created here"):
        ScheduledBackups(store, tmp_path / "file" / "copies", DAY, 1)
    with pytest.raises(BadInput, match="a server cannot keep 0 copies"):
        ScheduledBackups(store, tmp_path / "copies", DAY, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(store, folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    with pytest.raises(BadInput, match="this folder cannot be written"):
        ScheduledBackups(store, folder, DAY, 1)

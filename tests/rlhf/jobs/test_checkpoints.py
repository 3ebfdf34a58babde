# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that arrive: they replace the former ones whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf.jobs.receive import delete_leftovers, receive_checkpoint
from tests.support.jobs.requests import archive


def test_an_archive_without_a_checkpoint_deletes_none(client, jobs, unsupervised):
    run, token = jobs("a")
    status = [
        client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code
        for body in (archive(("checkpoint/1", b"w")), archive())
    ]
    assert status == [200, 400]
    assert (unsupervised.home / "runs" / str(run) / "checkpoint" / "1").is_file()


def test_a_server_killed_while_a_checkpoint_arrives_leaves_a_checkpoint_and_nothing_else(
    client, jobs, unsupervised, monkeypatch
):
    run, token = jobs("a")
    client.post(f"/api/v1/jobs/{run}/checkpoint", content=archive(("checkpoint/1", b"w")), headers=token)
    rename, folder, cache = Path.rename, unsupervised.home / "runs" / str(run), unsupervised.home / "cache"

    def die(path: Path, target: Path) -> Path:
        if target == folder / "checkpoint":
            raise SystemExit
        return rename(path, target)

    upload = cache / ".upload"
    upload.write_bytes(archive(("checkpoint/2", b"w")))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(SystemExit):
            receive_checkpoint(unsupervised, unsupervised.runs.get(run), upload)
    for draft in (folder / ".checkpoint.x", folder / ".result.x", cache / ".bundle.x"):
        draft.mkdir()
    delete_leftovers(unsupervised.home)
    assert [path.name for path in folder.iterdir()] == ["checkpoint"]
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["1"]
    assert list(cache.iterdir()) == []

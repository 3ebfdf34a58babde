# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that arrive: they replace the former ones whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from rlhf.jobs.manifest import MANIFEST
from rlhf.jobs.receive_checkpoint import delete_leftovers, receive_checkpoint
from tests.support.jobs.requests import archive, checkpoint


def test_an_archive_without_a_checkpoint_deletes_none(client, jobs, unsupervised):
    run, token = jobs("a")
    status = [
        client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code
        for body in (checkpoint(("1", b"w")), checkpoint())
    ]
    assert status == [200, 400]
    assert (unsupervised.home / "runs" / str(run) / "checkpoint" / "1").is_file()


def test_a_server_killed_while_a_checkpoint_arrives_leaves_a_checkpoint_and_nothing_else(
    client, jobs, unsupervised, monkeypatch
):
    run, token = jobs("a")
    client.post(f"/api/v1/jobs/{run}/checkpoint", content=checkpoint(("1", b"w")), headers=token)
    rename, folder, cache = Path.rename, unsupervised.home / "runs" / str(run), unsupervised.home / "cache"

    def die(path: Path, target: Path) -> Path:
        if target == folder / "checkpoint":
            raise SystemExit
        return rename(path, target)

    upload = cache / ".upload"
    upload.write_bytes(checkpoint(("2", b"w")))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(SystemExit):
            receive_checkpoint(unsupervised, unsupervised.runs.get(run), upload)
    (cache / "bundles").mkdir()
    bundles = [cache / "bundles" / name for name in (f"run{run}-1.tar", "run9-1.tar", ".draft.tar")]
    for bundle in bundles:
        bundle.touch()
    for draft in (folder / ".checkpoint.x", folder / ".result.x", cache / ".bundle.x"):
        draft.mkdir()
    delete_leftovers(unsupervised)
    assert [path.name for path in folder.iterdir()] == ["checkpoint"]
    assert [bundle.is_file() for bundle in bundles] == [True, False, False]
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["1"]
    assert [path.name for path in cache.iterdir()] == ["bundles"]


def lacks(client, run, token, body: bytes) -> list[str]:
    """Return what the server lacks of the checkpoint of an archive."""
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        manifest = tar.extractfile(MANIFEST).read()
    return client.post(f"/api/v1/jobs/{run}/manifest", content=manifest, headers=token).json()["lacks"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("indexed", [True, False], ids=["with its index", "without one"])
def test_files_that_the_server_has_are_not_asked_for_and_stay(client, jobs, unsupervised, indexed):
    run, token = jobs("a")
    folder = unsupervised.home / "runs" / str(run)
    kept, old, new = ("10/weights", b"kept"), ("10/state", b"old"), ("20/weights", b"new")
    first, second = checkpoint(kept, old), checkpoint(("9/moved", b"kept"), new)
    assert len(lacks(client, run, token, first)) == 2
    assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=first, headers=token).status_code == 200
    if not indexed:
        (folder / "checkpoint.json").unlink()
    assert lacks(client, run, token, second) == [hashlib.sha256(b"new").hexdigest()]
    sent = archive(*(part for part in members(second) if not part[0].endswith(hashlib.sha256(b"kept").hexdigest())))
    assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=sent, headers=token).status_code == 200
    assert contents(folder / "checkpoint") == {"9/moved": b"kept", "20/weights": b"new"}


def members(body: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]


def test_a_resumed_run_s_files_are_found_in_the_run_before(client, jobs, unsupervised):
    before, token = jobs("a")
    client.post(f"/api/v1/jobs/{before}/checkpoint", content=checkpoint(("1", b"w")), headers=token)
    unsupervised.runs.finish(before, "cancelled")
    run, token = jobs("b")
    unsupervised.execute("UPDATE runs SET resumes = ? WHERE id = ?", [before, run])
    body = checkpoint(("1", b"w"), sent=False)
    assert lacks(client, run, token, body) == []
    assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code == 200
    assert contents(unsupervised.home / "runs" / str(run) / "checkpoint") == {"1": b"w"}


@pytest.mark.parametrize(
    "body",
    [
        checkpoint(("2", b"w"), sent=False),
        archive(("manifest.json", json.dumps({"files": [{"path": "2", "size": 1, "hash": "0" * 64}]}).encode())),
        archive(
            ("manifest.json", json.dumps({"files": [{"path": "2", "size": 1, "hash": "0" * 64}]}).encode()),
            (f"files/{'0' * 64}", b"w"),
        ),
        archive(("manifest.json", json.dumps({"files": [{"path": "../2", "size": 1, "hash": "0" * 64}]}).encode())),
        checkpoint(("2", b"v"), ("2", b"v")),
        archive(("manifest.json", b"{")),
    ],
    ids=["a file missing", "an unknown hash", "a damaged file", "a path outside", "a path twice", "no manifest"],
)
def test_a_checkpoint_that_does_not_fit_its_manifest_changes_nothing(client, jobs, unsupervised, body):
    run, token = jobs("a")
    client.post(f"/api/v1/jobs/{run}/checkpoint", content=checkpoint(("1", b"first")), headers=token)
    assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code == 400
    assert contents(unsupervised.home / "runs" / str(run) / "checkpoint") == {"1": b"first"}
    assert lacks(client, run, token, checkpoint(("1", b"first"))) == []

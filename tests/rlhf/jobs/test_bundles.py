# SPDX-License-Identifier: Apache-2.0
"""Bundles that cannot be made: the run ends with the error, unless a retry helps."""

from __future__ import annotations

import errno

import pytest

from data.errors import Busy, StoreTrouble
from rlhf.launchers.remote import WorkerLauncher
from tests.support.jobs.requests import bearer, claim, end


@pytest.mark.parametrize(
    ("problem", "status", "state", "error"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "model"),
            410,
            "failed",
            "the bundle cannot be made: [Errno 13]",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "running", ""),
        (StoreTrouble("the disk is full"), 507, "running", ""),
        (Busy("the store is busy"), 503, "running", ""),
    ],
    ids=["a file that cannot be read", "full disk", "full disk of the store", "busy store"],
)
def test_a_bundle_that_cannot_be_made_ends_its_run_unless_a_retry_helps(
    client, jobs, unsupervised, monkeypatch, problem, status, state, error
):
    run, token = jobs("a")

    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr("rlhf.jobs.bundle.make_bundle", fail)
    assert client.get(f"/api/v1/jobs/{run}/bundle", headers=token).status_code == status
    ended = unsupervised.runs.get(run)
    assert (ended.state, (ended.error or "")[:37]) == (state, error)
    assert [path.name for path in (unsupervised.home / "cache").rglob("*")] == ["bundles"]


def test_a_run_that_is_claimed_again_gets_the_same_bundle_and_its_end_deletes_it(
    client, jobs, unsupervised, monkeypatch
):
    run, token = jobs("a")
    first = client.get(f"/api/v1/jobs/{run}/bundle", headers=token).content
    monkeypatch.setattr("rlhf.jobs.bundle.make_bundle", lambda *_: pytest.fail("a bundle is made twice"))
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    again = client.post("/api/v1/jobs/claim", json=claim("claim-of-a", "a"), headers=worker).json()
    token = bearer(again["token"])
    assert (again["run"], client.get(f"/api/v1/jobs/{run}/bundle", headers=token).content) == (run, first)
    bundles = unsupervised.home / "cache" / "bundles"
    assert len(list(bundles.iterdir())) == 1
    client.post(f"/api/v1/jobs/{run}/end", content=end(unsupervised.policies.get(1).base), headers=token)
    assert list(bundles.iterdir()) == []


def test_the_bundle_of_a_lost_run_is_deleted(client, jobs, unsupervised):
    run, token = jobs("a")
    client.get(f"/api/v1/jobs/{run}/bundle", headers=token)
    WorkerLauncher(unsupervised).forget(unsupervised.runs.get(run))
    assert list((unsupervised.home / "cache" / "bundles").iterdir()) == []

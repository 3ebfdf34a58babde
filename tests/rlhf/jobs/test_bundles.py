# SPDX-License-Identifier: Apache-2.0
"""Bundles that cannot be made: the run ends with the error, unless a retry helps."""

from __future__ import annotations

import errno

import pytest

from data.errors import Busy, StoreTrouble


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

    monkeypatch.setattr("rlhf.pages.jobs.routes.make_bundle", fail)
    assert client.get(f"/api/v1/jobs/{run}/bundle", headers=token).status_code == status
    ended = unsupervised.runs.get(run)
    assert (ended.state, (ended.error or "")[:37]) == (state, error)
    assert list((unsupervised.home / "cache").iterdir()) == []

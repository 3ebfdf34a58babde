# SPDX-License-Identifier: Apache-2.0
"""A worker in this process, with a real server: what goes wrong between them ends neither the worker nor the run."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from rlhf.jobs import commands, forwarder
from rlhf.jobs.client import JobClient
from rlhf.launchers import local
from tests.support.jobs import tiny_training
from tests.support.jobs.tiny_training import HOLD, HOLD_AT
from tests.support.jobs.weight_runs import check_whole


@pytest.fixture
def worker(home_store, server, tmp_path, monkeypatch):
    """Return a worker of the tiny training that does not pause."""
    monkeypatch.setattr(commands, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(commands, "CLAIM_SECONDS", 0.02)
    monkeypatch.setattr(forwarder, "RETRY_SECONDS", 0.0)
    token = home_store.worker_tokens.issue_for_worker("a")
    return commands.Worker(tmp_path / "node-a", server.address, token, "node-a", tiny_training.command)


@pytest.mark.parametrize("method", ["send_checkpoint", "send_end"])
@pytest.mark.parametrize("problem", [BadInput("the archive cannot be read"), OSError("No space left on device")])
def test_an_upload_that_fails_is_sent_again(home_store, worker, tmp_path, monkeypatch, method, problem):
    send, failures, go = getattr(JobClient, method), [problem], tmp_path / "go"
    for name, value in ((HOLD, str(go)), (HOLD_AT, "3")):
        monkeypatch.setitem(local.ENVIRONMENT, name, value)
    if method == "send_end":
        go.touch()

    def send_or_fail(*given):
        if failures:
            go.touch()
            raise failures.pop()
        return send(*given)

    monkeypatch.setattr(JobClient, method, send_or_fail)
    assert worker.work(once=True)["status"] == "done"
    assert failures == []
    check_whole(home_store)

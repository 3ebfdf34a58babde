# SPDX-License-Identifier: Apache-2.0
"""Fixtures of runs on other machines: a client behind the gate, claimed runs, and a home with its server."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.settings import as_dict
from labeling.accounts.gate import Gate
from rlhf.jobs import checkpoint_sender, commands, forwarder
from rlhf.pages.jobs.routes import routes
from rlhf.settings import SFTSettings
from tests.support.jobs import tiny_training
from tests.support.jobs.requests import bearer, claim
from tests.support.jobs.server import JobServer
from tests.support.jobs.weight_runs import queue
from tests.support.tiny_home import make_tiny_home


@pytest.fixture
def client(unsupervised):
    return TestClient(Gate(Starlette(routes=routes(unsupervised)), unsupervised))


@pytest.fixture
def jobs(unsupervised, client):
    """claim(name) -> the number of a run on that node, and the headers of its token."""

    def claim_run(name: str) -> tuple[int, dict[str, str]]:
        settings = as_dict(SFTSettings(launcher="worker", from_="p1", judge_pairs=0))
        unsupervised.runs.enqueue("sft", settings, "rae")
        worker = bearer(unsupervised.worker_tokens.issue_for_worker(name))
        given = client.post("/api/v1/jobs/claim", json=claim(f"claim-of-{name}", name), headers=worker).json()
        return given["run"], bearer(given["token"])

    return claim_run


@pytest.fixture
def home_store(tmp_path):
    """A home with prompts, instruction rows, a bare base, an account, and one waiting run for a worker."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    store = make_tiny_home(tmp_path / "home", model)
    store.instructions.add("Thank Mina.", "Dear Mina, thank you.", source="test")
    queue(store)
    yield store
    store.close()


@pytest.fixture
def server(home_store):
    server = JobServer(home_store.home)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def worker(home_store, server, tmp_path, monkeypatch):
    """Return a worker of the tiny training that does not pause."""
    monkeypatch.setattr(commands, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(commands, "CLAIM_SECONDS", 0.02)
    monkeypatch.setattr(forwarder, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint_sender, "RETRY_SECONDS", 0.0)
    token = home_store.worker_tokens.issue_for_worker("a")
    return commands.Worker(tmp_path / "node-a", server.address, token, "node-a", tiny_training.command)

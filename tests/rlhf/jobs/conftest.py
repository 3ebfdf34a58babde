# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the routes of workers: a client behind the gate, and runs that were claimed."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.settings import as_dict
from labeling.accounts.gate import Gate
from rlhf.pages.jobs.routes import routes
from rlhf.settings import SFTSettings
from tests.support.jobs.requests import bearer


@pytest.fixture
def client(unsupervised):
    return TestClient(Gate(Starlette(routes=routes(unsupervised)), unsupervised))


@pytest.fixture
def jobs(unsupervised, client):
    """claim(name) -> the number of a run on that node, and the headers of its token."""

    def claim(name: str) -> tuple[int, dict[str, str]]:
        settings = as_dict(SFTSettings(launcher="worker", from_="p1", judge_pairs=0))
        unsupervised.runs.enqueue("sft", settings, "rae")
        worker = bearer(unsupervised.worker_tokens.issue_for_worker(name))
        given = client.post(
            "/api/v1/jobs/claim", json={"claim": f"claim-of-{name}", "node": name}, headers=worker
        ).json()
        return given["run"], bearer(given["token"])

    return claim

# SPDX-License-Identifier: Apache-2.0
"""A home whose runs go to a server that behaves as Ray does."""

from __future__ import annotations

import sys

import pytest
import yaml

from rlhf.launchers.cluster import FILE
from rlhf.launchers.local import LocalLauncher
from rlhf.launchers.ray import RayLauncher
from rlhf.launchers.run_queue import RunQueue
from tests.support.jobs import node, tiny_training
from tests.support.jobs.fake_ray import FakeRay


@pytest.fixture
def ray(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setattr("rlhf.launchers.ray.LOOK_SECONDS", 0.0)
    ray = FakeRay("secret")
    yield ray
    ray.close()


@pytest.fixture
def cluster(tiny_store, ray, tmp_path):
    """write(**more) -> the cluster file of the home, which names this Ray."""

    def write(**more) -> None:
        command = f"{sys.executable} {node.__file__}"
        given = {"address": ray.address, "server": "http://127.0.0.1:9", "command": command}
        (tiny_store.home / FILE).write_text(yaml.safe_dump(given | {"home": str(tmp_path / "node")} | more))

    write()
    return write


@pytest.fixture
def queue(tiny_store):
    return RunQueue(tiny_store, LocalLauncher(tiny_store, tiny_training.command), {"ray": RayLauncher(tiny_store)})

# SPDX-License-Identifier: Apache-2.0
"""Labeling processes beside the server: labelers work as with one process, and every other page passes through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

import app
from data import Store
from labeling.accounts.presence import Presence
from labeling.accounts.sign_in import COOKIE
from labeling.http.proxy import ServedAddress
from labeling.http.socket import listen
from rlhf.pages.workers.pool import labeling_processes
from tests.bench.serve.labelers import Gone, fill, hire
from tests.support import PATIENCE
from tests.support.data.stores import new_store
from tests.support.serving import Server, serving

LABELERS, LABELS = 8, 5


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workers") / "home"


@pytest.fixture(scope="module")
def store(home):
    store = new_store(home)
    fill(store, 200)
    yield store
    store.close()


@pytest.fixture(scope="module")
def server(home, store):
    with serving(home, "--workers", "2") as running:
        yield running


def workers_of(parent: int) -> dict[int, dict]:
    """The options of a process's labeling processes, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"rlhf.pages.workers.process" in command and started_by == parent:
            found[int(folder.name)] = json.loads(command[3])
    return found


def researcher(store: Store, server: Server, name: str) -> httpx.Client:
    """A client with a researcher's session."""
    account = store.accounts.add(name, "researcher")
    cookies = {COOKIE: store.tokens.issue("session", account.id, 3600)}
    return httpx.Client(base_url=server.root, cookies=cookies, timeout=PATIENCE)


async def label(labelers, count):
    async def one(labeler):
        given = 0
        while given < count:
            try:
                if labeler.item is None:
                    await labeler.ask()
                await labeler.label()
                given += 1
            except Gone:  # its process was killed: the page sends the answer again
                await asyncio.sleep(0.05)
        await labeler.leave()

    await asyncio.gather(*map(one, labelers))


def test_every_label_is_kept_once_though_a_process_is_killed(store, server):
    assert len(workers_of(server.process.pid)) == 2
    labelers = hire(store, LABELERS, int(server.root.rpartition(":")[2]))
    asyncio.run(label(labelers, LABELS))
    victim = min(workers_of(server.process.pid))
    os.kill(victim, signal.SIGKILL)
    asyncio.run(label(labelers, LABELS))
    acknowledged = [id for labeler in labelers for id in labeler.acknowledged]
    assert len(acknowledged) == len(set(acknowledged)) == 2 * LABELERS * LABELS == store.comparisons.count()
    assert [labeler.refused for labeler in labelers] == [[]] * LABELERS


def test_pages_answers_and_sign_in_pass_through_to_the_server(store, server):
    with researcher(store, server, "rae") as client:
        page = client.get("/train/")
        assert (page.status_code, "gradio_config" in page.text) == (200, True)
        assert client.get("/label/").status_code == 200
        assert client.get("/train/theme.css").headers["content-type"].startswith("text/css")
        refused = client.post("/login", data={"name": "rae", "password": "not it, by far"})
        assert refused.status_code in (401, 403)
        while client.get("/healthz").json()["status"] != "ok":  # the killed process starts again
            time.sleep(0.05)
    assert httpx.get(f"{server.root}/healthz", headers={"host": "evil.example"}).status_code == 421


def test_the_server_knows_the_client_that_a_process_saw(store, server):
    ann = store.accounts.add("ann", "researcher")
    headers = {
        "authorization": f"Bearer {store.tokens.issue('api', ann.id, 3600)}",
        "x-forwarded-for": "203.0.113.9",  # of a stranger: no proxy of ours
    }
    answer = httpx.get(f"{server.root}/api/v1/export?what=preferences&format=trl", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    assert store.audit.all()[0]["address"] == "127.0.0.1"


def test_a_process_opens_the_home_that_a_relative_path_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with labeling_processes(1, listen("127.0.0.1", 0), Path("home"), ServedAddress(), False, Presence()):
        [options] = workers_of(os.getpid()).values()
    assert options["home"] == str(tmp_path / "home")


@pytest.mark.parametrize("wrong", [("--workers", "33"), ("--workers", "1", "--metrics")])
def test_what_cannot_be_served_is_refused_in_one_line(tmp_path, capsys, wrong):
    assert app.main(["serve", "--home", str(tmp_path / "new"), *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1

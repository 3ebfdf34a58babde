# SPDX-License-Identifier: Apache-2.0
"""The end of a run reaches the webhook once; a failure is recorded, shown and never delays a run."""

from __future__ import annotations

import json
import threading

import pytest

from app import main
from data.errors import BadInput
from data.records import Note
from rlhf.runs.supervisor import Supervisor
from rlhf.runs.webhook import check_url, make_document, read_webhook, send_due, write_webhook
from tests.support.endpoint_server import EndpointServer


@pytest.fixture
def server():
    """A server that answers each document with a word."""
    started = EndpointServer()
    started.reply = lambda body: (200, b"thanks")
    yield started
    started.http.shutdown()
    started.http.server_close()


def end_run(store, state="done", **report):
    """A run that ended."""
    store.runs.enqueue("ppo", {}, "rae")
    return store.runs.finish(store.runs.claim().id, state, produced=["p4"], report=report, error="/home/rae/secret")


def test_the_document_has_state_and_figures_and_no_text_of_errors_or_reports(store):
    run = end_run(
        store,
        "failed",
        kl=2.5,
        stopped="/data",
        ok=True,
        evaluations=[{"policy": "p4", "against": "p1", "win_rate": 0.6}],
    )
    assert make_document(run, "long") == {
        "run": "run1",
        "kind": "ppo",
        "state": "failed",
        "name": "long",
        "produced": ["p4"],
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "figures": {"kl": 2.5, "win_rate p4 p1": 0.6},
    }


def test_each_end_after_the_address_was_set_is_sent_once(store, server):
    end_run(store)
    write_webhook(store.home, f"{server.url}?token=t")
    send_due(store)
    assert server.requests == []
    store.notes.set("run", 2, Note("mine"))
    end_run(store, "done", kl=1.0)
    end_run(store, "cancelled")
    for _ in range(2):
        send_due(store)
    assert [(sent["run"], sent["state"], sent["name"]) for sent in server.requests] == [
        ("run2", "done", "mine"),
        ("run3", "cancelled", ""),
    ]
    assert server.paths == ["/v1?token=t"] * 2
    assert store.webhook_deliveries.problem(2) is None


def test_a_busy_server_is_asked_again_and_one_that_refuses_is_recorded_without_the_address(store, server, capsys):
    write_webhook(store.home, f"{server.url}?token=t0ken")
    answers = iter([(503, {}), (200, {}), (403, {"error": "no such path: /v1?token=t0ken"})])
    server.reply = lambda body: next(answers)
    for _ in range(2):
        end_run(store)
        send_due(store, pauses=(0.0, 0.0))
    assert [sent["run"] for sent in server.requests] == ["run1", "run1", "run2"]
    assert store.webhook_deliveries.problem(1) is None
    problem = store.webhook_deliveries.problem(2)
    assert problem == f"127.0.0.1:{server.http.server_port} answered 403"
    assert main(["runs", "show", "run2", "--json", "--home", str(store.home)]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["webhook_problem"] == problem


def test_a_server_out_of_reach_is_recorded(store, server):
    write_webhook(store.home, server.url)
    server.http.shutdown()
    server.http.server_close()
    end_run(store)
    send_due(store, pauses=())
    assert "could not be reached" in store.webhook_deliveries.problem(1)


def test_the_supervisor_sends_beside_its_work_and_stays_until_it_is_sent(store, server):
    arrived, go = threading.Event(), threading.Event()

    def reply(body):
        arrived.set()
        go.wait()
        return 200, {}

    server.reply = reply
    supervisor = Supervisor(store.home)
    assert supervisor.step() is False
    write_webhook(store.home, server.url)
    end_run(store)
    assert supervisor.step() is True
    arrived.wait()
    assert supervisor.step() is True
    go.set()
    supervisor.webhook._thread.join()
    assert supervisor.step() is False
    assert [sent["run"] for sent in server.requests] == ["run1"]
    supervisor.store.close()


def test_a_damaged_file_stops_no_supervisor(store):
    (store.home / "webhook.json").write_text("{")
    supervisor = Supervisor(store.home)
    assert supervisor.step() is False
    supervisor.store.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "host",
        "https://",
        "http://a b/",
        "http://h:99999/",
        "http://me:pw@h/",
        "javascript:1",
    ],
)
def test_only_http_addresses_without_a_password_are_kept(store, url):
    with pytest.raises(BadInput):
        write_webhook(store.home, url)
    assert read_webhook(store.home) is None


def test_the_command_keeps_shows_and_removes_it_and_prints_the_host_only(store, capsys):
    def call(*words: str) -> str:
        assert main(["runs", "webhook", *words, "--home", str(store.home)]) == 0
        return capsys.readouterr().out.strip()

    assert call() == "This home has no webhook."
    assert call("https://hooks.example.org/T0/secret") == "The end of each run goes to hooks.example.org."
    assert (store.home / "webhook.json").stat().st_mode & 0o077 == 0
    assert call() == "The end of each run goes to hooks.example.org."
    assert call("") == "This home has no webhook."
    assert [act["detail"] for act in store.audit.all()] == [{"host": None}, {"host": "hooks.example.org"}]
    assert check_url("http://127.0.0.1:8080/x") == "http://127.0.0.1:8080/x"

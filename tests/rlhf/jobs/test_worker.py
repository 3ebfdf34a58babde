# SPDX-License-Identifier: Apache-2.0
"""A worker in this process, with a real server: what goes wrong between them ends neither the worker nor the run."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager

import pytest

from data.errors import BadInput, StoreTrouble
from rlhf.jobs import commands, forwarder
from rlhf.jobs.client import JobClient, ServerAway
from rlhf.jobs.job_home import DRAFT, make_job
from rlhf.launchers import local
from tests.rlhf.runs.test_supervisor import until
from tests.support.jobs.server import JobServer
from tests.support.jobs.tiny_training import HOLD, HOLD_AT
from tests.support.jobs.weight_runs import check_whole


@pytest.mark.parametrize("problem", [OSError("No space left on device"), StoreTrouble("the disk is full")])
def test_a_full_disk_of_the_node_fails_no_run(home_store, worker, monkeypatch, problem):
    failures, lines = [problem], []
    worker.folder.mkdir()
    (worker.folder / commands.CLAIM).touch()

    def unpack_or_fail(bundle, folder, claimed, *given):
        if not failures:
            return make_job(bundle, folder, claimed, *given)
        (folder.with_name(folder.name + DRAFT)).mkdir()
        raise failures.pop()

    def say(line):
        lines.append((line, [path.name for path in worker.folder.glob("run*")], home_store.runs.get(1).state))

    monkeypatch.setattr(commands, "make_job", unpack_or_fail)
    worker.say = say
    assert worker.work(once=True)["status"] == "done"
    assert lines[0] == (f"{worker.folder} is not usable: {problem}", [], "running")
    check_whole(home_store)


def test_a_cancellation_that_arrives_while_a_foreign_base_is_read_cancels_the_run(home_store, worker, monkeypatch):
    def cancel_and_refuse(job):
        with closing(job.open_store()) as store:
            store.runs.request_cancel(job.run_id)
        raise BadInput("foreign base")

    monkeypatch.setattr(forwarder, "check_bases", cancel_and_refuse)
    assert worker.work(once=True)["status"] == "cancelled"
    assert home_store.runs.get(1).state == "cancelled"


@pytest.mark.parametrize("state", ["lost", "failed"])
def test_no_heartbeat_can_follow_the_end_of_a_lost_run(home_store, worker, monkeypatch, state):
    send, beating, during = JobClient.send_end, [], []

    def end_locally(job):
        with closing(job.open_store()) as store:
            store.runs.claim()
            store.runs.finish(job.run_id, state, error="killed")

    @contextmanager
    def heartbeats(*_):
        beating.append(True)
        yield
        beating.pop()

    def send_and_note(*given):
        during.append(bool(beating))
        return send(*given)

    monkeypatch.setattr(forwarder, "check_bases", end_locally)
    monkeypatch.setattr(forwarder, "heartbeats", heartbeats)
    monkeypatch.setattr(JobClient, "send_end", send_and_note)
    assert worker.work(once=True)["status"] == state
    assert (home_store.runs.get(1).state, during) == (state, [state != "lost"])


def test_an_end_whose_answer_is_lost_is_an_end(home_store, worker, monkeypatch):
    send, losses = JobClient.send_end, ["connection reset"]

    def send_and_lose_the_answer(*given):
        answer = send(*given)
        if losses:
            raise ServerAway(losses.pop())
        return answer

    monkeypatch.setattr(JobClient, "send_end", send_and_lose_the_answer)
    assert worker.work(once=True) == {"run": "run1", "status": "done", "produced": ["p2"], "error": None}
    assert list(worker.folder.glob("run*")) == []
    check_whole(home_store)


def test_a_worker_with_once_waits_for_a_server_that_is_away(home_store, server, worker):
    server.kill()
    lines = []

    def say(line):
        lines.append(line)
        if server.process is None:
            server.start()

    worker.say = say
    assert worker.work(once=True)["status"] == "done"
    assert lines[0].startswith("the server is away")


def test_a_worker_that_is_ended_while_the_server_is_away_does_not_say_that_no_run_waits(server, worker):
    server.kill()
    worker.say = lambda _: worker.end()
    ended = worker.work(once=True)
    assert (ended["run"], ended["status"]) == (None, "cancelled")
    assert commands.render_worker(ended) == "The worker ended without a run."


def test_the_server_hears_of_a_run_whose_bundle_is_sent_and_unpacked(worker, monkeypatch):
    monkeypatch.setattr("rlhf.jobs.client.ALIVE_SECONDS", 0.02)
    download, report, reported = JobClient.download_bundle, JobClient.report, threading.Event()

    def report_and_note(client, run_id, news):
        answer = report(client, run_id, news)
        reported.set()
        return answer

    def wait_and_download(client, run_id, out):
        assert reported.wait(60)
        download(client, run_id, out)

    def wait_and_unpack(*given):
        reported.clear()
        assert reported.wait(60)
        return make_job(*given)

    monkeypatch.setattr(JobClient, "report", report_and_note)
    monkeypatch.setattr(JobClient, "download_bundle", wait_and_download)
    monkeypatch.setattr(commands, "make_job", wait_and_unpack)
    assert worker.work(once=True)["status"] == "done"


def test_a_worker_that_ends_while_the_server_is_away_sends_the_rest_to_its_new_address(
    home_store, server, worker, tmp_path, monkeypatch
):
    for name, value in ((HOLD, str(tmp_path / "never")), (HOLD_AT, "3")):
        monkeypatch.setitem(local.ENVIRONMENT, name, value)
    documents = []
    thread = threading.Thread(target=lambda: documents.append(worker.work(once=True)))
    thread.start()
    until(lambda: home_store.metrics.newest(1, "weight") == 3)
    server.kill()
    worker.end()
    thread.join(60)
    assert (documents[0]["run"], documents[0]["status"]) == ("run1", "cancelled")
    assert documents[0]["error"].startswith("The server is away.")
    assert home_store.runs.get(1).state == "running"
    moved = JobServer(home_store.home)
    moved.start()
    worker.server, worker.ending = moved.address, False
    assert worker.work(once=True)["status"] == "cancelled"
    moved.kill()
    assert home_store.runs.get(1).state == "cancelled"
    assert (home_store.home / "runs/1/checkpoint/3").is_file()

# SPDX-License-Identifier: Apache-2.0
"""A worker in this process, with a real server: what goes wrong between them ends neither the worker nor the run."""

from __future__ import annotations

import json
import tarfile
import threading
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest

from data.errors import BadInput, StoreTrouble
from data.store import Store
from rlhf.jobs import checkpoint_sender, commands, forwarder, retries
from rlhf.jobs.client import JobClient, ServerAway, ServerBroken, Stopped
from rlhf.jobs.job_home import DRAFT, make_job
from rlhf.launchers import local
from tests.rlhf.runs.test_supervisor import until
from tests.support.jobs import tiny_training
from tests.support.jobs.server import JobServer
from tests.support.jobs.tiny_training import HOLD, HOLD_AT
from tests.support.jobs.weight_runs import check_whole


@pytest.fixture
def worker(home_store, server, tmp_path, monkeypatch):
    """Return a worker of the tiny training that does not pause."""
    monkeypatch.setattr(commands, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(commands, "CLAIM_SECONDS", 0.02)
    monkeypatch.setattr(forwarder, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint_sender, "RETRY_SECONDS", 0.0)
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


def test_a_result_that_the_server_refuses_twice_fails_its_run_and_stays_on_the_node(home_store, worker, monkeypatch):
    send, sent = JobClient.send_end, []

    def send_or_refuse(client, run_id, archive):
        sent.append(archive)
        if len(sent) < 3:
            raise BadInput("p2 has no column 'x'")
        return send(client, run_id, archive)

    monkeypatch.setattr(JobClient, "send_end", send_or_refuse)
    error = "the server refuses the result: p2 has no column 'x'"
    assert worker.work(once=True) == {"run": "run1", "status": "failed", "produced": [], "error": error}
    assert (home_store.runs.get(1).state, home_store.runs.get(1).error) == ("failed", error)
    assert len(list(worker.folder.glob("run*/policies/p2/weight"))) == 1
    assert worker.work(once=True)["run"] is None


def test_an_archive_larger_than_a_server_takes_is_not_sent(home_store, worker, monkeypatch):
    monkeypatch.setattr(checkpoint_sender, "UPLOAD_LIMIT", 0)
    monkeypatch.setattr(JobClient, "send_checkpoint", lambda *_: pytest.fail("a checkpoint is sent"))
    error = "the server refuses the result: the archive has 10,240 bytes, and a server takes 0"  # a tar file's least
    assert worker.work(once=True)["error"] == error
    assert home_store.runs.get(1).state == "failed"


def test_a_checkpoint_that_the_server_refuses_stays_on_the_node_and_does_not_delay_the_end(
    home_store, worker, tmp_path, monkeypatch
):
    for name, value in ((HOLD, str(tmp_path / "never")), (HOLD_AT, "3")):
        monkeypatch.setitem(local.ENVIRONMENT, name, value)

    def refuse(*_):
        if not home_store.runs.get(1).cancel_requested:
            home_store.runs.request_cancel(1)
        raise BadInput("the server answered 413")

    monkeypatch.setattr(JobClient, "send_checkpoint", refuse)
    assert worker.work(once=True)["status"] == "cancelled"
    assert home_store.runs.get(1).state == "cancelled"
    assert len(list(worker.folder.glob("run*/runs/1/checkpoint/*"))) > 0


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


def test_a_slow_upload_delays_no_value_and_no_cancellation_and_the_newest_checkpoint_follows_it(
    home_store, worker, tmp_path, monkeypatch
):
    go = tmp_path / "go"
    for name, value in ((HOLD, str(go)), (HOLD_AT, "3")):
        monkeypatch.setitem(local.ENVIRONMENT, name, value)
    home_store.execute("UPDATE runs SET settings = json_set(settings, '$.max_steps', 1000000)")
    send, sent, ended = JobClient.send_checkpoint, [], []

    def send_slowly(client, run_id, archive, stopped):
        with tarfile.open(archive) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))
        sent.append(sorted(int(file["path"]) for file in manifest["files"]))
        if len(sent) == 1:  # the first upload lasts until the run goes on, and is cancelled
            go.touch()
            until(lambda: (home_store.metrics.newest(1, "weight") or 0) > 3, 60)
            home_store.runs.request_cancel(1)
            with closing(Store(next(worker.folder.glob("run*-*")))) as job:
                until(lambda: job.runs.get(1).state == "cancelled", 60)
                ended.append(int(job.metrics.newest(1, "weight")))
        send(client, run_id, archive, stopped)

    monkeypatch.setattr(JobClient, "send_checkpoint", send_slowly)
    assert worker.work(once=True)["status"] == "cancelled"
    (last,) = ended
    assert (len(sent), sent[1]) == (2, [last - 1, last])
    checkpoints = (home_store.home / "runs/1/checkpoint").iterdir()
    assert sorted(int(path.name) for path in checkpoints) == sent[1]


def test_a_done_run_breaks_off_the_upload_of_its_checkpoint(home_store, worker, monkeypatch):
    def wait(client, run_id, archive, stopped):
        until(stopped, 60)
        raise Stopped

    monkeypatch.setattr(JobClient, "send_checkpoint", wait)
    assert worker.work(once=True)["status"] == "done"
    check_whole(home_store)


def test_a_server_that_breaks_at_the_end_is_asked_with_growing_pauses_until_the_worker_gives_up(
    home_store, worker, monkeypatch
):
    send, broken, lines, clock = JobClient.send_end, [True], [], [0.0]

    def say(line):
        lines.append(line)
        clock[0] += 700.0  # beyond every pause

    def send_or_break(*given):
        if broken:
            raise ServerBroken("the server answered 500")
        return send(*given)

    worker.say = say
    monkeypatch.setattr(retries, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(JobClient, "send_end", send_or_break)
    ended = worker.work(once=True)
    (folder,) = worker.folder.glob("run*-*")
    pauses = [line.rsplit(" in ", 1)[1] for line in lines if "does not take its end" in line]
    assert pauses[:8] == [f"{seconds} s." for seconds in (10, 20, 40, 80, 160, 320, 600, 600)]
    assert (ended["run"], ended["status"]) == ("run1", "failed")
    assert "did not take the end of run1 for 6 h: the server answered 500. Its result lies in " in ended["error"]
    command = f"preference-loop worker --once --server {worker.server} --home {worker.folder.parent}"
    assert ended["error"].endswith(f"{folder}. Send it later: {command}")
    broken.clear()
    worker.ending = False
    assert worker.work(once=True)["produced"] == ["p2"]
    check_whole(home_store)

# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and results on their way from a worker in this process: failures, refusals, and slow uploads."""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from types import SimpleNamespace

import pytest

from data.errors import BadInput
from data.store import Store
from rlhf.jobs import checkpoint_sender, retries
from rlhf.jobs.client import JobClient, ServerBroken, Stopped
from rlhf.launchers import local
from tests.rlhf.runs.test_supervisor import until
from tests.support.jobs.tiny_training import HOLD, HOLD_AT
from tests.support.jobs.weight_runs import check_whole


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
    size = "the archive has 10,240 bytes, and a server takes 0"  # a tar file's least
    error = f"the server refuses the result: {size}. Train a LoRA."
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
        if len(sent) == 1:  # the first upload ends only after the run's next step, and is cancelled
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

# SPDX-License-Identifier: Apache-2.0
"""A Ray that is away, slow or full: each run has one job with rights, and none is left behind."""

from __future__ import annotations

import time

import httpx
import pytest

from rlhf.common.locks import SERVER, acquire_lock
from rlhf.launchers.ray import RayLauncher
from rlhf.launchers.run_queue import RunQueue
from tests.support.jobs.ray_runs import enqueue

NOWHERE = "http://127.0.0.1:9"


def token_of(job: dict) -> str:
    return job["runtime_env"]["env_vars"]["PREFERENCE_LOOP_WORKER_TOKEN"]


def test_a_supervisor_that_was_killed_finds_the_job_that_it_submitted(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    next_queue = RunQueue(tiny_store, queue.local, {"ray": RayLauncher(tiny_store)})
    for _ in range(2):
        next_queue.step()
    ((id, asked),) = ray.asked.items()
    assert tiny_store.runs.get(run).handle == id
    token = asked["runtime_env"]["env_vars"]["PREFERENCE_LOOP_WORKER_TOKEN"]
    assert tiny_store.worker_tokens.find(token).run_id == run


def test_a_job_that_was_never_submitted_is_submitted_by_the_next_supervisor(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    ray.asked.clear()  # killed after the handle was stored, before Ray had the job
    queue.step()
    assert list(ray.asked) == [tiny_store.runs.get(run).handle]


def test_only_the_newest_job_of_a_run_has_rights(tiny_store, ray, cluster, queue):
    """The first submission is late: Ray knows no such job when it is asked, and has it after the second one."""
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    late = ray.asked.copy()
    ray.asked.clear()
    queue.step()
    ray.asked = late | ray.asked
    queue.step()
    assert len(ray.asked) == 2
    with_rights = [id for id, job in ray.asked.items() if tiny_store.worker_tokens.find(token_of(job))]
    assert with_rights == [tiny_store.runs.get(run).handle]


def test_a_job_keeps_its_token_while_ray_is_away(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    cluster(address=NOWHERE)
    for _ in range(3):
        queue.step()
    cluster()
    queue.step()
    (asked,) = ray.asked.values()
    assert tiny_store.worker_tokens.find(token_of(asked)).run_id == run


def test_a_run_waits_while_ray_is_away_and_fails_if_it_refuses(tiny_store, ray, cluster, queue, monkeypatch):
    cluster(address="http://127.0.0.1:9")
    run = enqueue(tiny_store)
    queue.step()
    assert tiny_store.runs.get(run).state == "queued"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    cluster()
    queue.step()
    assert "Ray answered 401" in tiny_store.runs.get(run).error


def test_a_run_that_is_cancelled_while_ray_refuses_it_stays_cancelled(tiny_store, ray, cluster, queue, monkeypatch):
    run = enqueue(tiny_store)

    def refuse(method: str, *_) -> tuple[int, str]:
        if method == "POST":
            tiny_store.runs.request_cancel(run)
        return (404, "unknown") if method == "GET" else (400, "no such resource")

    monkeypatch.setattr(ray, "act", refuse)
    for _ in range(2):
        queue.step()
    assert tiny_store.runs.get(run).state == "cancelled"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_run_waits_while_ray_is_busy(tiny_store, ray, cluster, queue, method, status):
    ray.room = False
    run = enqueue(tiny_store)
    if method == "GET":
        queue.step()
    ray.failing = {method: status}
    for _ in range(2):
        queue.step()
    assert tiny_store.runs.get(run).state == "queued"
    ray.failing = {}
    queue.step()
    assert list(ray.asked) == [tiny_store.runs.get(run).handle]


def test_the_job_of_a_run_that_ray_refuses_is_stopped(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    ray.failing = {"GET": 403}
    queue.step()
    assert tiny_store.runs.get(run).state == "failed"
    assert ray.stopped == [tiny_store.runs.get(run).handle]


def test_runs_here_wait_once_for_a_ray_that_is_away(tiny_store, cluster, queue, monkeypatch):
    monkeypatch.setattr("rlhf.launchers.ray.LOOK_SECONDS", 3600.0)
    cluster(address=NOWHERE)
    asked, request = [], httpx.request
    monkeypatch.setattr(httpx, "request", lambda *given, **more: asked.append(given) or request(*given, **more))
    for _ in range(3):
        enqueue(tiny_store)
    for _ in range(3):
        queue.step()
    assert len(asked) == 1


def test_a_job_of_a_run_that_is_cancelled_in_the_queue_is_stopped_once(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    (job,) = ray.asked
    ray.failing = {"POST": 503}
    tiny_store.runs.request_cancel(run)
    queue.step()
    ray.failing = {}
    for _ in range(3):
        queue.step()
    assert ray.stopped == [job]


def test_the_job_of_a_cancelled_run_is_stopped_once_its_worker_is_silent(tiny_store, ray, cluster, queue, monkeypatch):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    tiny_store.runs.claim_elsewhere("x", "node-b", run)
    tiny_store.runs.request_cancel(run)
    times = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: sum(times))
    with acquire_lock(tiny_store.home / SERVER):
        for _ in range(3):  # it uploads its checkpoint
            tiny_store.runs.heartbeat(run)
            queue.step()
            times.append(50.0)
        assert ray.stopped == []
        for _ in range(3):
            queue.step()
            times.append(20.0)
        assert ray.stopped == [tiny_store.runs.get(run).handle]


def test_the_job_of_a_lost_run_goes_on_as_it_may_bring_its_result(tiny_store, ray, cluster, queue):
    ray.room = False
    run = enqueue(tiny_store)
    queue.step()
    tiny_store.runs.claim_elsewhere("x", "node-b", run)
    lost = tiny_store.runs.finish(run, "lost", error="silent")
    tiny_store.webhook_deliveries.record(run, None)
    queue.launchers["ray"].forget(lost)
    assert ray.stopped == []
    assert tiny_store.runs.reopen(run).state == "running"
    tiny_store.runs.finish(run, "done")
    assert tiny_store.webhook_deliveries.due("") == [run]  # its real end is sent too

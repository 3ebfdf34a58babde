# SPDX-License-Identifier: Apache-2.0
"""Runs on a Ray cluster: jobs by REST to a server that behaves as Ray does, with real workers."""

from __future__ import annotations

import sys

import pytest

from data.errors import BadInput
from rlhf.launchers.cluster import FILE, read_cluster
from tests.rlhf.jobs.test_jobs import check_whole
from tests.rlhf.runs.test_supervisor import until
from tests.support import ROOT
from tests.support.jobs.ray_runs import enqueue
from tests.support.jobs.server import JobServer


def test_a_job_asks_for_what_the_file_states_and_holds_the_token_of_one_run(tiny_store, ray, cluster, queue):
    ray.room = False
    cluster(gpus=2, cpus=4, memory=10**9, resources={"node-b": 0.001}, bases={"base": "/models/base"})
    run = enqueue(tiny_store)
    for _ in range(3):
        queue.step()
    ((id, asked),) = ray.asked.items()
    assert tiny_store.runs.get(run).handle == id
    assert (asked["entrypoint_num_gpus"], asked["entrypoint_num_cpus"]) == (2, 4)
    assert (asked["entrypoint_memory"], asked["entrypoint_resources"]) == (10**9, {"node-b": 0.001})
    assert "worker --server http://127.0.0.1:9 --once" in asked["entrypoint"]
    assert "--base base=/models/base" in asked["entrypoint"]
    environment = asked["runtime_env"]["env_vars"]
    assert environment["RAY_JOB_STOP_WAIT_TIME_S"] == "60"
    token = tiny_store.worker_tokens.find(environment["PREFERENCE_LOOP_WORKER_TOKEN"])
    assert (token.run_id, token.name) == (run, None)


def test_a_run_waits_for_room_works_and_is_published(tiny_store, ray, cluster, queue):
    server = JobServer(tiny_store.home)
    server.start()
    try:
        cluster(server=server.address)
        ray.room = False
        run = enqueue(tiny_store)
        queue.step()
        assert tiny_store.runs.get(run).state == "queued"
        ray.start(tiny_store.runs.get(run).handle)
        until(lambda: queue.step() is not None and tiny_store.runs.get(run).over)
    finally:
        server.kill()
    check_whole(tiny_store)
    assert tiny_store.runs.get(run).node == "ray-node"


def test_several_runs_are_submitted_at_once_beside_one_here(tiny_store, ray, cluster, queue):
    ray.room = False
    first, second = enqueue(tiny_store), enqueue(tiny_store)
    here = enqueue(tiny_store, launcher="local")
    queue.step()
    assert len(ray.asked) == 2
    assert {tiny_store.runs.get(id).state for id in (first, second)} == {"queued"}
    assert tiny_store.runs.get(here).state == "running"
    until(lambda: queue.step() is not None and tiny_store.runs.get(here).over)


def test_a_job_that_ends_without_beginning_the_run_fails_it_with_the_log(tiny_store, ray, cluster, queue):
    cluster(command=f"{sys.executable} -c 'raise SystemExit(3)'")
    run = enqueue(tiny_store)
    until(lambda: queue.step() is not None and tiny_store.runs.get(run).over)
    ended = tiny_store.runs.get(run)
    assert ended.state == "failed"
    assert "is FAILED: as its process says\nthe last line" in ended.error


def test_a_run_whose_job_is_gone_is_lost(tiny_store, ray, cluster, queue):
    cluster(command=f"{sys.executable} -c 'import time; time.sleep(600)'")
    run = enqueue(tiny_store)
    queue.step()
    tiny_store.runs.claim_elsewhere("x", "node-b", run)
    queue.step()
    assert tiny_store.runs.get(run).state == "running"
    job = ray.processes[tiny_store.runs.get(run).handle]
    job.kill()
    job.wait()
    queue.step()
    assert tiny_store.runs.get(run).state == "lost"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("address: head", "address"),
        ("[]", "the file"),
        ("gpu: 1", "address"),
        ("{address: 'http://head:80a', server: 'http://s'}", "address: .*port"),
        ("address: http://h\nserver: http://s\nnodes: 2", "asks for 2 nodes, and a run uses one"),
    ],
)
def test_a_wrong_cluster_file_is_refused_with_the_field(tiny_store, text, said):
    with pytest.raises(BadInput, match=r"there is no .*cluster\.yaml"):
        read_cluster(tiny_store.home)
    (tiny_store.home / FILE).write_text(text)
    with pytest.raises(BadInput, match=said):
        read_cluster(tiny_store.home)


def test_the_example_of_the_documentation_is_a_cluster_file(tmp_path):
    text = (ROOT / "docs" / "how-to" / "cluster.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    (tmp_path / FILE).write_text(example)
    assert read_cluster(tmp_path).gpus == 1

# SPDX-License-Identifier: Apache-2.0
"""Runs on another machine, with a real server and workers on loopback: every row arrives once, whatever is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from data.store import Store
from rlhf.jobs import commands, forwarder
from rlhf.jobs.bundle import make_bundle
from rlhf.jobs.job_home import Claimed, Job, make_job
from rlhf.launchers.elsewhere import JOB_FILE
from rlhf.runs.launch import resume
from rlhf.runs.processes.plan import ACCELERATE_CONFIG, plan_processes
from rlhf.settings import SFTSettings
from tests.rlhf.runs.test_supervisor import until
from tests.support.jobs.node import outcome, start_node
from tests.support.jobs.server import JobServer
from tests.support.jobs.weight_runs import check_whole, queue


@pytest.fixture
def nodes(tmp_path):
    """start(name, ...) -> a worker on a node of that name; all are killed at the end."""
    started = []

    def start(name: str, server: JobServer, token: str, **hold):
        started.append(start_node(tmp_path / name, server.address, token, **hold))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def job_of(node: Path) -> Job | None:
    """Return the job on a node, once its home is complete."""
    found = [file for file in node.glob(f"run*/{JOB_FILE}") if not file.parent.name.endswith(".draft")]
    return Job.read(found[0].parent) if found else None


def at_step(store: Store, step: int, run_id: int = 1) -> None:
    until(lambda: store.metrics.newest(run_id, "weight") == step)


def test_a_run_works_on_a_node_and_its_policy_is_published_here(home_store, server, nodes, tmp_path):
    token = home_store.worker_tokens.issue_for_worker("node-a")
    ended = outcome(nodes("node-a", server, token))
    assert ended == {"run": "run1", "status": "done", "produced": ["p2"], "error": None}
    check_whole(home_store)
    assert home_store.runs.get(1).node == "node-a"
    assert list((tmp_path / "node-a").glob("run*")) == []


def test_a_bundle_holds_nothing_of_people(home_store, server, nodes, tmp_path):
    go = tmp_path / "go"
    nodes("node-a", server, home_store.worker_tokens.issue_for_worker("a"), hold=go, at=2)
    at_step(home_store, 2)
    job = job_of(tmp_path / "node-a")
    store = job.open_store()
    people = ("accounts", "tokens", "worker_tokens", "invitations", "audit", "comparisons", "completions")
    assert {table: store.value(f"SELECT count(*) FROM {table}") for table in people} == dict.fromkeys(people, 0)
    assert store.runs.get(1).created_by == ""
    assert store.prompts.count() == home_store.prompts.count()
    assert oct(job.folder.stat().st_mode)[-3:] == "700"
    store.close()


def test_a_cancelled_run_saves_a_checkpoint_and_continues_on_another_node(home_store, server, nodes, tmp_path):
    token = home_store.worker_tokens.issue_for_worker("nodes")
    first = nodes("node-a", server, token, hold=tmp_path / "never", at=3)
    at_step(home_store, 3)
    home_store.runs.request_cancel(1)
    assert outcome(first)["status"] == "cancelled"
    assert sorted(path.name for path in (home_store.home / "runs/1/checkpoint").iterdir()) == ["2", "3"]
    resume(home_store, 1, by="rae")
    ended = outcome(nodes("node-b", server, token))
    assert (ended["run"], ended["status"], home_store.runs.get(2).node) == ("run2", "done", "node-b")
    check_whole(home_store, 2, first=4)


def test_nothing_is_missing_and_nothing_twice_after_the_server_was_away(home_store, server, nodes, tmp_path):
    go = tmp_path / "go"
    worker = nodes("node-a", server, home_store.worker_tokens.issue_for_worker("a"), hold=go, at=3)
    at_step(home_store, 3)
    server.kill()
    go.touch()
    job = job_of(tmp_path / "node-a")
    store = job.open_store()
    until(lambda: job.run(store).state == "done")
    store.close()
    assert home_store.runs.get(1).state == "running"
    server.start()
    assert outcome(worker)["status"] == "done"
    check_whole(home_store)


def test_a_killed_worker_continues_its_job_when_it_starts_again(home_store, server, nodes, tmp_path):
    go = tmp_path / "go"
    token = home_store.worker_tokens.issue_for_worker("a")
    worker = nodes("node-a", server, token, hold=go, at=3)
    at_step(home_store, 3)
    worker.kill()
    worker.wait()
    go.touch()
    assert outcome(nodes("node-a", server, token))["status"] == "done"
    check_whole(home_store)


def test_a_killed_training_is_lost_and_resumed_from_its_checkpoint(home_store, server, nodes, tmp_path):
    token = home_store.worker_tokens.issue_for_worker("a")
    worker = nodes("node-a", server, token, hold=tmp_path / "never", at=3)
    at_step(home_store, 3)
    until(lambda: (home_store.home / "runs/1/checkpoint/3").is_file())
    store = job_of(tmp_path / "node-a").open_store()
    os.kill(store.runs.get(1).pid, signal.SIGKILL)
    store.close()
    assert outcome(worker)["status"] == "lost"
    assert "killed" in home_store.runs.get(1).error
    resume(home_store, 1, by="rae")
    assert outcome(nodes("node-b", server, token))["status"] == "done"
    check_whole(home_store, 2, first=4)


def test_a_worker_that_is_asked_to_end_saves_its_run(home_store, server, nodes, tmp_path):
    token = home_store.worker_tokens.issue_for_worker("a")
    worker = nodes("node-a", server, token, hold=tmp_path / "never", at=3)
    at_step(home_store, 3)
    worker.terminate()
    assert outcome(worker)["status"] == "cancelled"
    assert (home_store.home / "runs/1/checkpoint/3").is_file()


def test_a_foreign_base_ends_the_run_before_it_starts(home_store, server, nodes, tmp_path, monkeypatch):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text("{}")
    (foreign / "model.safetensors").write_bytes(b"others")
    name = home_store.policies.get(1).base
    monkeypatch.setattr(commands, "STEP_SECONDS", 0.05)
    worker = commands.Worker(
        tmp_path / "node-a", server.address, home_store.worker_tokens.issue_for_worker("a"), "node-a"
    )
    worker.moved = {name: str(foreign)}
    assert worker.work(once=True)["status"] == "failed"
    run = home_store.runs.get(1)
    assert run.state == "failed"
    assert "foreign base" in run.error
    assert name in run.error
    assert run.pid is None


def test_a_worker_of_another_version_ends_the_run_with_that_line(home_store, server, tmp_path, monkeypatch):
    monkeypatch.setattr("rlhf.jobs.job_home.__version__", "0.0.1")
    token = home_store.worker_tokens.issue_for_worker("a")
    ended = commands.Worker(tmp_path / "node-a", server.address, token, "node-a").work(once=True)
    assert (ended["run"], ended["status"]) == ("run1", "failed")
    assert "and this machine 0.0.1" in home_store.runs.get(1).error
    assert [path.name for path in (tmp_path / "node-a").iterdir() if path.suffix == ".tar"] == []


def test_a_run_whose_base_is_gone_fails_and_the_next_one_works(home_store, server, nodes, tmp_path):
    home_store.policies.add(name="gone", kind="base", base=str(tmp_path / "gone"))
    home_store.execute("UPDATE runs SET settings = json_set(settings, '$.from', 'p2') WHERE id = 1")
    second = queue(home_store)
    token = home_store.worker_tokens.issue_for_worker("a")
    assert outcome(nodes("node-a", server, token))["status"] == "failed"
    assert "gone' is not on the server" in home_store.runs.get(1).error
    assert outcome(nodes("node-a", server, token)) == {
        "run": f"run{second}",
        "status": "done",
        "produced": ["p3"],
        "error": None,
    }


def test_a_cancellation_arrives_while_the_worker_reads_large_files(home_store, server, tmp_path, monkeypatch):
    monkeypatch.setattr("rlhf.jobs.client.ALIVE_SECONDS", 0.05)

    def read(job: Job) -> None:
        home_store.runs.request_cancel(1)
        store = job.open_store()
        until(lambda: job.run(store).cancel_requested, seconds=20)
        store.close()

    monkeypatch.setattr(forwarder, "check_bases", read)
    token = home_store.worker_tokens.issue_for_worker("a")
    worker = commands.Worker(tmp_path / "node-a", server.address, token, "node-a")
    assert worker.work(once=True)["status"] == "cancelled"


def test_a_worker_whose_run_was_given_up_stops_with_a_line(home_store, server, nodes, tmp_path):
    token = home_store.worker_tokens.issue_for_worker("a")
    worker = nodes("node-a", server, token, hold=tmp_path / "never", at=3)
    at_step(home_store, 3)
    with home_store.transaction():
        home_store.runs.finish(1, "lost", error="silent")
        home_store.runs.enqueue("sft", {}, "rae", resumes=1)
    ended = outcome(worker)
    assert (ended["status"], ended["error"]) == ("lost", "run1 is lost")
    assert home_store.runs.get(1).error == "silent"


def test_a_node_plans_processes_by_the_file_of_the_home(home_store, tmp_path):
    (home_store.home / ACCELERATE_CONFIG).write_text("num_processes: 2")
    make_bundle(home_store, home_store.runs.get(1), tmp_path / "bundle.tar")
    job = make_job(tmp_path / "bundle.tar", tmp_path / "job", Claimed(1, None, "token"), "http://server", {})
    assert plan_processes(job.folder, SFTSettings())["num_processes"] == 2

# SPDX-License-Identifier: Apache-2.0
"""The supervisor with real processes: a run has the right end in its row, even if any process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data.errors import StoreTrouble
from data.store import Store
from data.tables.process_identity import identify_process
from data.tables.runs import Runs
from rlhf.common import locks
from rlhf.runs import supervisor as supervisor_module
from rlhf.runs.supervisor import Supervisor, supervise
from tests.support import ROOT, slow_worker

LONG = {"total": 10_000}
SUPERVISE = (
    "import sys; sys.path.insert(0, {root!r}); from tests.support import slow_worker; from rlhf.runs.supervisor import supervise; "
    "from pathlib import Path; supervise(Path({home!r}), slow_worker.command, poll=0.05, grace=1.0)"
)


def start_supervisor(home: Path) -> subprocess.Popen:
    code = SUPERVISE.format(root=str(ROOT), home=str(home))
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


@pytest.fixture
def supervisors(store):
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        started.append(start_supervisor(store.home))
        return started[-1]

    yield start
    for run in store.runs.all(state="running"):
        if store.runs.is_alive(run):
            os.kill(run.pid, signal.SIGKILL)
    for supervisor in started:
        supervisor.kill()
        supervisor.wait()


def until(condition, seconds: float = 60.0):
    """Wait for a true value of `condition` and return it; fail after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"the condition did not hold within {seconds} s")


def counting(store: Store, run_id: int):
    return until(lambda: (run := store.runs.get(run_id)).done > 0 and run)


def over(store: Store, run_id: int):
    return until(lambda: (run := store.runs.get(run_id)).over and run)


def test_queued_runs_are_done_in_order_and_then_the_supervisor_ends(store):
    first, second = (store.runs.enqueue("count", {"total": 3}, "tester") for _ in range(2))
    supervise(store.home, slow_worker.command, poll=0.05)
    ended = [store.runs.get(run.id) for run in (first, second)]
    assert [run.state for run in ended] == ["done", "done"]
    assert ended[0].ended_at <= ended[1].started_at
    assert ended[0].report["counted"] == 3


def test_a_run_on_an_endpoint_delays_no_other_run(store):
    asking = store.runs.enqueue("endpoint", {}, "tester")
    store.runs.start(asking.id, *identify_process())
    queued = store.runs.enqueue("count", {"total": 2}, "tester")
    supervisor = Supervisor(store.home, slow_worker.command)
    until(lambda: supervisor.step() and store.runs.get(queued.id).state == "done")
    assert store.runs.get(asking.id).state == "running"


def test_a_killed_child_is_lost_and_the_next_run_starts(store, supervisors):
    first = store.runs.enqueue("count", LONG, "tester")
    second = store.runs.enqueue("count", {"total": 2}, "tester")
    supervisors()
    os.kill(counting(store, first.id).pid, signal.SIGKILL)
    lost = over(store, first.id)
    assert lost.state == "lost"
    assert "killed" in lost.error
    assert over(store, second.id).state == "done"


def test_the_next_supervisor_adopts_the_run_of_a_killed_one(store, supervisors):
    run = store.runs.enqueue("count", LONG, "tester")
    first = supervisors()
    pid = counting(store, run.id).pid
    first.kill()
    first.wait()
    seen = store.runs.get(run.id).done
    until(lambda: store.runs.get(run.id).done > seen)
    supervisors()
    store.runs.request_cancel(run.id)
    ended = over(store, run.id)
    assert (ended.state, ended.pid) == ("cancelled", pid)


def test_the_next_supervisor_marks_a_run_lost_that_died_unwatched(store, supervisors):
    run = store.runs.enqueue("count", LONG, "tester")
    first = supervisors()
    pid = counting(store, run.id).pid
    first.kill()
    first.wait()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    supervisors()
    assert over(store, run.id).state == "lost"


def test_another_process_with_the_same_id_is_not_adopted(store):
    run = store.runs.enqueue("count", LONG, "tester")
    supervisor = Supervisor(store.home, slow_worker.command)
    claimed = store.runs.claim()
    store.runs.start(claimed.id, os.getpid(), psutil.Process().create_time() - 1000, "this boot")
    supervisor.step()
    assert store.runs.get(run.id).state == "lost"


def test_a_cancelled_run_ends_as_cancelled(store, supervisors):
    run = store.runs.enqueue("count", LONG, "tester")
    supervisors()
    counting(store, run.id)
    store.runs.request_cancel(run.id)
    assert over(store, run.id).state == "cancelled"


def test_a_run_that_ignores_the_signal_is_killed_after_the_grace_period(store, supervisors):
    run = store.runs.enqueue("count", LONG | {"stubborn": True}, "tester")
    supervisors()
    pid = counting(store, run.id).pid
    store.runs.request_cancel(run.id)
    assert over(store, run.id).state == "cancelled"
    until(lambda: not psutil.pid_exists(pid))


def test_a_queued_run_is_cancelled_without_ever_starting(store):
    run = store.runs.enqueue("count", LONG, "tester")
    store.runs.request_cancel(run.id)
    supervise(store.home, slow_worker.command, poll=0.05)
    ended = store.runs.get(run.id)
    assert (ended.state, ended.pid) == ("cancelled", None)


def test_an_error_in_the_run_is_in_its_row_and_its_log(store):
    run = store.runs.enqueue("count", {"fail_at": 1}, "tester")
    supervise(store.home, slow_worker.command, poll=0.05)
    ended = store.runs.get(run.id)
    assert (ended.state, ended.error) == ("failed", "ValueError: cannot count past 1")
    assert "Traceback" in (store.home / "runs" / str(run.id) / "log.txt").read_text()


def test_unknown_settings_fail_with_the_nearest_name(store):
    run = store.runs.enqueue("count", {"totel": 1}, "tester")
    supervise(store.home, slow_worker.command, poll=0.05)
    assert "total" in store.runs.get(run.id).error


def test_the_supervisor_waits_for_space_and_then_writes_the_end_of_a_run(store, monkeypatch):
    run = store.runs.enqueue("count", {}, "tester")
    asked, finish = [], Runs.finish

    def full_at_first(runs, *args, **kwargs):
        asked.append(args)
        if len(asked) < 3:
            raise StoreTrouble("database or disk is full")
        return finish(runs, *args, **kwargs)

    monkeypatch.setattr(Runs, "finish", full_at_first)
    monkeypatch.setattr(supervisor_module, "DISK_RETRY_SECONDS", 0.01)
    supervise(store.home, lambda run_id, home: [sys.executable, "-c", f"raise SystemExit({os.EX_IOERR})"], poll=0.01)
    ended = store.runs.get(run.id)
    assert (ended.state, len(asked)) == ("lost", 3)
    assert "the disk was full: free some space" in ended.error


def test_only_one_supervisor_watches_a_home(store):
    store.runs.enqueue("count", {"total": 1}, "tester")
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        supervise(store.home, slow_worker.command)
    assert store.runs.all(state="queued")


def test_a_supervisor_stays_while_a_server_holds_the_home(store, supervisors):
    with locks.acquire_lock(store.home / locks.SERVER):
        supervisor = supervisors()
        until(lambda: locks.is_locked(store.home / locks.SUPERVISOR))
        run = store.runs.enqueue("count", {"total": 1}, "tester")
        assert over(store, run.id).state == "done"
        assert supervisor.poll() is None
    assert supervisor.wait(60) == 0


def test_a_supervisor_that_is_still_loading_is_not_started_a_second_time(store, monkeypatch):
    started, popen = [], subprocess.Popen

    def slow_start(argv, **options):
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"], **options))

    monkeypatch.setattr(supervisor_module.subprocess, "Popen", slow_start)
    for _ in range(3):
        supervisor_module.ensure(store.home)
    assert len(started) == 1
    started[0].kill()
    started[0].wait()
    supervisor_module.ensure(store.home)
    assert len(started) == 2
    started[1].kill()
    started[1].wait()


def test_a_supervisor_with_an_inherited_lock_works_and_releases_it(store):
    run = store.runs.enqueue("count", {"total": 1}, "tester")
    code = SUPERVISE.format(root=str(ROOT), home=str(store.home))
    with locks.acquire_lock(store.home / locks.SUPERVISOR) as lock:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=lock)
    assert over(store, run.id).state == "done"
    assert process.wait(60) == 0
    assert not locks.is_locked(store.home / locks.SUPERVISOR)


def test_the_log_of_a_run_is_bounded_while_it_works(store, supervisors, monkeypatch):
    run = store.runs.enqueue("count", LONG, "tester")
    supervisor = Supervisor(store.home, slow_worker.command)
    supervisor.step()
    counting(store, run.id)
    log = store.home / "runs" / str(run.id) / "log.txt"
    with log.open("ab") as file:
        file.write(b"a line of the library\n" * 1_000_000)
    supervisor.step()
    assert log.stat().st_size < 9_000_000

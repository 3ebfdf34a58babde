# SPDX-License-Identifier: Apache-2.0
"""Runs move from state to state in one place; a context reports from inside a run; curves stand in a file of their own."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import threading

import pytest

from data import Store
from data.errors import BadInput
from data.run_context import TRAINER_STATE_FILE, RunContext
from data.tables.process_identity import Identity, identify_process, is_process_alive, read_boot_id
from data.tables.runs import ALLOWED_BEFORE

STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


def run_in(store, state):
    """A run that has come to that state by legal moves."""
    run = store.runs.enqueue("ppo", {"seed": 1}, "Mina")
    if state == "queued":
        return run
    run = store.runs.start(run.id, *identify_process())
    return run if state == "running" else store.runs.finish(run.id, state)


def test_a_run_goes_through_the_queue_to_its_end(store):
    run = store.runs.enqueue("ppo", {"seed": 1, "names": ("a",)}, "Mina")
    assert (run.public, run.state, run.settings, run.over) == ("run1", "queued", {"seed": 1, "names": ["a"]}, False)
    claimed = store.runs.claim()
    assert (claimed.id, claimed.state, claimed.pid) == (run.id, "running", None)
    started = store.runs.start(run.id, *identify_process())
    assert (started.pid, started.started_at) == (os.getpid(), claimed.started_at)
    store.runs.progress(run.id, 3, 10, "update 3")
    seen = store.runs.get(run.id)
    assert (seen.done, seen.total, seen.note) == (3, 10, "update 3")
    ended = store.runs.finish(run.id, "done", produced=["p4"], report={"kl": 2.5})
    assert (ended.state, ended.produced, ended.report, ended.over) == ("done", ["p4"], {"kl": 2.5}, True)
    assert ended.ended_at > ended.started_at


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES[1:])
def test_only_legal_moves_are_made(store, before, after):
    run = run_in(store, before)

    def move():
        return store.runs.start(run.id, *identify_process()) if after == "running" else store.runs.finish(run.id, after)

    if before in ALLOWED_BEFORE[after] or before == after == "running":  # a running run may change hands
        assert move().state == after
    else:
        with pytest.raises(BadInput, match=f"run1 is {before} and cannot become {after}"):
            move()
        assert store.runs.get(run.id).state == before


def test_the_oldest_is_claimed_first_and_one_runs_at_a_time(store):
    first, second = (store.runs.enqueue("sample", {}, "Mina") for _ in range(2))
    assert store.runs.claim().id == first.id
    assert store.runs.claim() is None
    store.runs.finish(first.id, "done")
    assert store.runs.claim(*identify_process()).pid == os.getpid()
    assert [run.id for run in store.runs.all("running")] == [second.id]
    assert [run.id for run in store.runs.all()] == [second.id, first.id]


def test_a_run_is_claimed_by_one_of_many(store):
    for _ in range(3):
        store.runs.enqueue("sample", {}, "Mina")
    claimed = []
    threads = [threading.Thread(target=lambda: claimed.append(store.runs.claim())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.id for run in claimed if run] == [1]


def test_a_queued_run_is_cancelled_at_once_and_a_running_one_is_asked(store):
    queued, running = run_in(store, "queued"), run_in(store, "running")
    assert store.runs.request_cancel(queued.id).state == "cancelled"
    asked = store.runs.request_cancel(running.id)
    assert (asked.state, asked.cancel_requested) == ("running", True)
    with pytest.raises(BadInput, match="run1 is cancelled already"):
        store.runs.request_cancel(queued.id)


def test_a_run_knows_when_its_process_is_gone(store):
    child = subprocess.Popen(["sleep", "60"])
    run = store.runs.enqueue("ppo", {}, "Mina")
    store.runs.start(run.id, *identify_process(child.pid))
    assert store.runs.is_alive(store.runs.get(run.id))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not collected: a zombie does not work
    assert not store.runs.is_alive(store.runs.get(run.id))
    child.wait()
    assert not store.runs.is_alive(store.runs.get(run.id))


def test_a_process_is_told_from_another_with_its_number_and_from_one_before_the_restart():
    me = identify_process()
    assert is_process_alive(me)
    assert not is_process_alive(me._replace(pid_started=me.pid_started - 60))
    assert not is_process_alive(me._replace(boot_id="another boot"))
    assert not is_process_alive(Identity(2**22 + 1, 0.0, read_boot_id()))  # above the largest pid of Linux


def test_a_context_reports_where_everybody_can_read(store):
    run = run_in(store, "running")
    context = RunContext(store, run)
    assert context.folder.is_dir()
    assert context.folder == store.home / "runs" / "1"
    context.progress(1, 4, "first")
    context.progress(2, 4, "too soon to be written")
    assert store.runs.get(run.id).note == "first"
    context.progress(4, 4, "last")
    assert (store.runs.get(run.id).done, store.runs.get(run.id).note) == (4, "last")
    context.metric(1, reward=0.5, kl=0.1)
    context.metric(2, reward=0.75)
    context.sample(2, prompt="Hi", text="Hello")
    assert store.metrics.series(run.id, "reward") == [(1, 0.5), (2, 0.75)]
    (first, earlier), (second, later) = store.metrics.series(run.id, "seconds")
    assert (first, second) == (1, 2)
    assert 0 <= earlier <= later
    assert store.metrics.samples(run.id) == [{"step": 2, "prompt": "Hi", "text": "Hello"}]


def test_a_context_prints_nothing(store, capsys):
    RunContext(store, run_in(store, "running")).progress(1, 1, "done")
    assert capsys.readouterr() == ("", "")


def test_a_context_hears_a_cancellation_through_the_row(store):
    run = run_in(store, "running")
    context = RunContext(store, run)
    store.runs.request_cancel(run.id)
    assert context.cancelled()


def test_a_context_asks_the_row_at_most_once_a_second(store):
    run = run_in(store, "running")
    context = RunContext(store, run)
    assert not context.cancelled()
    store.runs.request_cancel(run.id)
    assert not context.cancelled()
    context._asked_at -= 1.0
    assert context.cancelled()
    assert context.cancelled()


def test_a_context_takes_sigterm_as_the_wish_to_stop(store):
    context = RunContext(store, run_in(store, "running"))
    os.kill(os.getpid(), signal.SIGTERM)
    assert context.cancelled()


def resuming(store):
    """A run that goes on from one with two checkpoints, the newer of which was not written to its end."""
    first = run_in(store, "cancelled")
    for step in (50, 100):
        (store.home / "runs" / str(first.id) / "checkpoint" / "member-0" / f"checkpoint-{step}").mkdir(parents=True)
    (store.home / "runs" / str(first.id) / "checkpoint" / "member-0" / "checkpoint-50" / TRAINER_STATE_FILE).write_text(
        "{}"
    )
    return RunContext(store, store.runs.enqueue("reward", {}, "Mina", resumes=first.id))


def test_a_lineage_begins_with_the_run_that_resumes_none(store):
    first = store.runs.enqueue("online", {}, "Mina")
    second = store.runs.enqueue("online", {}, "Mina", resumes=first.id)
    third = store.runs.enqueue("online", {}, "Mina", resumes=second.id)
    assert store.runs.lineage(third) == [first, second, third]
    assert store.runs.lineage(first) == [first]


def test_a_run_goes_on_from_whole_checkpoints_alone(store):
    assert [path.name for path in resuming(store).checkpoints().glob("member-0/*")] == ["checkpoint-50"]


def test_a_process_killed_while_it_copies_a_checkpoint_leaves_no_part_of_it(store, monkeypatch):
    context = resuming(store)

    def killed(before, folder, **_):
        (folder / "member-0").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", killed)
        with pytest.raises(KeyboardInterrupt):
            context.checkpoints()
    assert not (context.folder / "checkpoint").exists()
    assert (context.checkpoints() / "member-0" / "checkpoint-50" / TRAINER_STATE_FILE).is_file()


def test_metrics_keep_numbers_that_are_none(store):
    store.metrics.log(1, 5, {"kl": math.nan, "reward": math.inf})
    ((step, value),) = store.metrics.series(1, "kl")
    assert step == 5
    assert math.isnan(value)
    assert store.metrics.series(1, "reward") == [(5, math.inf)]
    assert store.metrics.keys(1) == ["kl", "reward"]
    assert store.metrics.keys(2) == []


def test_all_curves_of_a_run_come_at_once_and_runs_without_any_are_known(store):
    store.metrics.log(1, 1, {"reward": 1.0, "kl": math.nan})
    store.metrics.log(1, 2, {"reward": 2.0})
    store.metrics.log(3, 1, {"kl": 5.0})
    curves = store.metrics.all_series(1)
    assert list(curves) == ["kl", "reward"]
    assert curves["reward"] == [(1, 1.0), (2, 2.0)]
    assert math.isnan(curves["kl"][0][1])
    assert store.metrics.all_series(2) == {}
    assert store.metrics.with_values([1, 2, 3]) == {1, 3}


def test_a_step_written_again_after_a_resume_replaces_the_old_one(store):
    store.metrics.log(1, 5, {"kl": 1.0})
    store.metrics.log(1, 4, {"kl": 3.0})
    store.metrics.log(1, 5, {"kl": 2.0})
    assert store.metrics.series(1, "kl") == [(4, 3.0), (5, 2.0)]


def test_the_newest_samples_come_first(store):
    for step in range(5):
        store.metrics.sample(1, step, {"text": str(step)})
    assert [sample["step"] for sample in store.metrics.samples(1, last=3)] == [4, 3, 2]


def test_training_and_labels_do_not_wait_for_each_other(store, home):
    other = Store(home)
    with store.transaction():
        other.metrics.log(1, 1, {"kl": 1.0})
    assert store.metrics.series(1, "kl") == [(1, 1.0)]


def test_a_run_of_a_light_kind_starts_beside_another_one_and_keeps_none_waiting(store):
    long, waiting, light = (store.runs.enqueue(kind, {}, "tester") for kind in ("ppo", "sample", "simulate"))
    beside = ("simulate",)
    assert [store.runs.claim(beside=beside).id for _ in range(2)] == [long.id, light.id]
    assert store.runs.claim(beside=beside) is None
    store.runs.finish(long.id, "done")
    assert store.runs.claim(beside=beside).id == waiting.id  # the light run still works

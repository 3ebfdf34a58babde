# SPDX-License-Identifier: Apache-2.0
"""`runs list|show|cancel|resume` from the command line to the store, exit status included."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import pytest

import app
from rlhf.common import locks
from rlhf.runs.commands import render_outcome
from rlhf.runs.launch import run_document


@pytest.fixture
def call(store, capsys):
    """call(argument, ...) -> (exit status, standard output, standard error), with nobody starting the queued runs."""
    with locks.acquire_lock(store.home / locks.SUPERVISOR):

        def call(*argv):
            status = app.main(["runs", *argv, "--home", str(store.home)])
            return status, *capsys.readouterr()

        yield call


def refused(answer) -> str:
    """Return the single line of a refusal."""
    status, out, err = answer
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    return line


def ended(store, state, **about):
    """A run that came to its end."""
    store.runs.enqueue("sample", {"prompts": 7}, "tester")
    return store.runs.finish(store.runs.claim().id, state, **about)


def test_notes_of_a_run_stand_below_its_line_and_in_its_document(store, call):
    note = "None of the 80 answers of p3 ended within 80 tokens"
    run = ended(store, "done", report={"notes": [note]})
    assert render_outcome(run_document(run)).splitlines() == [f"{run.public} done", note]
    assert run_document(run)["notes"] == [note]
    status, out, _ = call("list")
    assert (status, len(out.splitlines())) == (0, 1)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (["--per-prompt", "1"], "per_prompt=1"),
        (["--policy", "p1", "--against", "p1"], "p1 cannot"),
        (["--set", "project=Nope"], "'Nope'"),
        (["--set", "temperature=0"], "temperature=0"),
        (["--set", "against=p1", "--set", "split=train"], "split='train'"),
    ],
)
def test_impossible_sampling_settings_are_one_line_and_no_run(store, capsys, given, value):
    store.policies.add(name="first", kind="base", base="some/hub-id")
    store.prompts.add_many({"text": f"Say {number}.", "source": "test"} for number in range(40))
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        status = app.main(["sample", *given, "--home", str(store.home)])
    assert value in refused((status, *capsys.readouterr()))
    assert store.runs.all() == []


def test_the_list_has_a_line_for_every_run_newest_first(call, store):
    assert call() == (0, "no runs yet\n", "")
    ended(store, "failed", error="no memory")
    store.runs.enqueue("ppo", {}, "tester")
    assert call("list")[:2] == (0, "run2 queued  (ppo)\nrun1 failed: no memory  (sample)\n")


def test_a_run_is_shown_with_its_settings_and_its_report(call, store):
    ended(store, "done", produced=["p4"], report={"pairs": 3})
    assert call("show", "run1")[:2] == (0, "run1 done: p4  (sample)\n  prompts = 7\n")
    (shown,) = json.loads(call("show", "1", "--json")[1])["runs"]
    assert (shown["run"], shown["status"], shown["produced"], shown["settings"]) == (
        "run1",
        "done",
        ["p4"],
        {"prompts": 7},
    )
    assert shown["report"] == {"pairs": 3}


@pytest.mark.parametrize("action", ["show", "cancel", "resume"])
@pytest.mark.parametrize("id", ["run99", "p1", "first"])
def test_an_unknown_run_is_refused(call, action, id):
    assert id in refused(call(action, id))


def test_a_queued_run_is_cancelled_at_once_and_a_running_one_on_request(call, store):
    for _ in range(2):
        store.runs.enqueue("sample", {}, "tester")
    store.runs.claim()
    assert call("cancel", "run1")[0] == call("cancel", "run2")[0] == 0
    assert [store.runs.get(id).state for id in (1, 2)] == ["running", "cancelled"]
    assert store.runs.get(1).cancel_requested


def test_an_ended_run_is_not_cancelled_again(call, store):
    ended(store, "done")
    assert "run1 is done already" in refused(call("cancel", "run1"))


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_only_a_run_that_ended_early_is_resumed(call, store, state):
    store.runs.enqueue("sample", {}, "tester")
    if state != "queued":
        store.runs.claim()
    if state == "done":
        store.runs.finish(1, "done")
    assert f"run1 is {state}" in refused(call("resume", "run1"))
    assert len(store.runs.all()) == 1


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("ppo", "train ppo"),
        ("sample", "sample"),
        ("compare", "compare"),
        ("endpoint", "sample --endpoint URL --model NAME"),
    ],
)
def test_a_run_without_a_checkpoint_names_the_command_that_starts_another(call, store, kind, command):
    store.runs.enqueue(kind, {}, "tester")
    store.runs.claim()
    store.runs.finish(1, "failed")
    assert (
        f"run1 left no checkpoint. Start another one: preference-loop {command}\n"
        in refused(call("resume", "run1")) + "\n"
    )


@pytest.fixture
def resumable(store):
    """run1 was lost and left a checkpoint."""
    store.prompts.add("Say hi.", source="test")
    store.policies.add(name="base", kind="base", base="starter")
    ended(store, "lost")
    (store.home / "runs" / "1" / "checkpoint" / "checkpoint-5").mkdir(parents=True)


@pytest.mark.usefixtures("resumable")
def test_ctrl_c_stops_the_waiting_and_not_the_resumed_run(call, store, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("rlhf.runs.launch.time", SimpleNamespace(sleep=interrupted))
    status, out, err = call("resume", "run1", "--wait")
    assert (status, out) == (0, "run2 queued\n")
    assert err.splitlines()[-1] == "run2 continues. See it with: preference-loop runs show run2"
    assert store.runs.get(2).state == "queued"


@pytest.mark.usefixtures("resumable")
@pytest.mark.parametrize(("state", "status"), [("done", 0), ("failed", 1), ("lost", 1), ("cancelled", 3)])
def test_resuming_and_waiting_ends_with_the_status_of_the_new_run(call, store, state, status):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(call("resume", "run1", "--wait", "--json")))
    waiting.start()
    run = None
    while run is None and waiting.is_alive():
        time.sleep(0.05)
        run = store.runs.claim()
    store.runs.finish(run.id, state)
    waiting.join()
    ((left, out, _),) = answers
    assert left == status
    assert json.loads(out) == {"run": "run2", "status": state, "produced": []}
    assert store.runs.get(2).resumes == 1

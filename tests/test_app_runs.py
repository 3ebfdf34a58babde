# SPDX-License-Identifier: Apache-2.0
"""Commands that start, list, wait for, cancel and resume runs, and refuse runs that cannot work."""

from __future__ import annotations

import json
import threading
import time

import pytest

import app


def one_line(capsys) -> str:
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_training_without_labels_queues_nothing(capsys, unsupervised):
    assert app.main(["train", "reward", "--home", str(unsupervised.home)]) == 2
    assert "no comparisons" in one_line(capsys)
    assert unsupervised.runs.all() == []


def test_an_unknown_setting_names_the_nearest(capsys, unsupervised):
    assert app.main(["sample", "--set", "temprature=1", "--home", str(unsupervised.home)]) == 2
    assert "temperature" in one_line(capsys)
    assert unsupervised.runs.all() == []


def test_an_unknown_policy_queues_nothing(capsys, unsupervised):
    assert app.main(["sample", "--policy", "p99", "--home", str(unsupervised.home)]) == 2
    assert "p99" in one_line(capsys)
    assert unsupervised.runs.all() == []


@pytest.mark.parametrize(
    "argv", [["compare", "p99"], ["compare", "p1", "--against", "p99"], ["sample", "--against", "p99"]]
)
def test_an_unknown_policy_to_compare_with_queues_nothing(capsys, unsupervised, argv):
    assert app.main([*argv, "--home", str(unsupervised.home)]) == 2
    assert "p99" in one_line(capsys)
    assert unsupervised.runs.all() == []


def test_comparing_a_policy_without_a_parent_with_nothing_queues_nothing(capsys, unsupervised):
    home = ["--home", str(unsupervised.home)]
    assert app.main(["compare", "p1", *home]) == 2
    assert one_line(capsys) == "p1 has no parent to be compared with (field 'against'). Name a policy with --against."
    assert unsupervised.runs.all() == []
    unsupervised.policies.add(name="child", kind="sft", base=unsupervised.policies.get(1).base, parent_id=1)
    assert app.main(["compare", "p2", *home]) == app.main(["compare", "p1", "--against", "p2", *home]) == 0
    assert len(unsupervised.runs.all()) == 2


def test_an_unknown_source_of_prompts_queues_nothing(capsys, unsupervised):
    assert app.main(["train", "ppo", "--set", "prompts=16", "--home", str(unsupervised.home)]) == 2
    assert "'16' (field 'prompts')" in one_line(capsys)
    assert unsupervised.runs.all() == []


@pytest.mark.parametrize("action", ["show", "cancel", "resume"])
def test_an_action_on_no_run_is_one_line(capsys, unsupervised, action):
    assert app.main(["runs", action, "--home", str(unsupervised.home)]) == 2
    assert f"runs {action} needs a run" in one_line(capsys)


def test_a_run_is_listed_shown_and_cancelled(capsys, unsupervised):
    home = ["--home", str(unsupervised.home), "--json"]
    assert app.main(["sample", "--prompts", "3", *home]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": "run1", "status": "queued", "produced": []}
    assert app.main(["runs", "show", "run1", *home]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["settings"]["prompts"] == 3
    assert app.main(["runs", "cancel", "run1", *home]) == 0
    assert unsupervised.runs.get(1).state == "cancelled"


def test_a_run_without_a_checkpoint_cannot_be_resumed(capsys, unsupervised):
    run = unsupervised.runs.enqueue("sample", {}, "tester")
    unsupervised.runs.request_cancel(run.id)
    assert app.main(["runs", "resume", "run1", "--home", str(unsupervised.home)]) == 2
    assert "no checkpoint" in one_line(capsys)


def test_resuming_queues_a_run_that_names_the_old_one(unsupervised):
    run = unsupervised.runs.enqueue("sample", {"prompts": 7}, "tester")
    unsupervised.runs.request_cancel(run.id)
    (unsupervised.home / "runs" / "1" / "checkpoint" / "checkpoint-5").mkdir(parents=True)
    assert app.main(["runs", "resume", "run1", "--home", str(unsupervised.home)]) == 0
    resumed = unsupervised.runs.get(2)
    assert (resumed.resumes, resumed.settings["prompts"]) == (1, 7)


@pytest.mark.parametrize(("state", "status"), [("done", 0), ("failed", 1), ("lost", 1), ("cancelled", 3)])
def test_waiting_ends_with_the_status_of_the_run(unsupervised, state, status):
    statuses: list[int] = []
    argv = ["sample", "--wait", "--home", str(unsupervised.home)]
    waiting = threading.Thread(target=lambda: statuses.append(app.main(argv)))
    waiting.start()
    run = None
    while run is None and waiting.is_alive():
        time.sleep(0.05)
        run = unsupervised.runs.claim()
    unsupervised.runs.finish(run.id, state)
    waiting.join()
    assert statuses == [status]

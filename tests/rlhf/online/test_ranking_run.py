# SPDX-License-Identifier: Apache-2.0
"""An online run with rankings learns from them, counts each as one label, and asks none twice when it is resumed."""

from __future__ import annotations

import pytest

from data.views.preferences import preference_rows
from rlhf.pages.live.state import read_state
from tests.support.online import Desk, start_online
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model

RANKINGS = {"ranking": 3, "first_labels": 4, "labels_per_step": 4, "batch_size": 32, "max_labels": 16}
ASKED = "SELECT o.*, t.prompt_id, t.size, t.shown, t.judged FROM online_rankings AS o JOIN ranking_tasks AS t ON t.id = o.task_id"


class Interrupt(Exception):
    """The end of a run in the middle of its work, as if it was killed."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path, model):
    store = make_tiny_home(tmp_path / "home", model, people=False)
    yield store
    store.close()


def test_a_run_learns_from_rankings_and_counts_each_as_one_label(store):
    online = start_online(store, Desk(store).answer, **RANKINGS)
    report = online.work().report
    asked, ranked, compared = store.rows(ASKED), store.rankings.count(), store.comparisons.count()
    splits = {prompt.id: prompt.split for prompt in store.prompts.all()}
    assert {(row["size"], splits[row["prompt_id"]]) for row in asked} == {(3, "train")}
    assert store.value("SELECT group_concat(DISTINCT arm) FROM online_pairs") == "random"
    assert (report["end"], ranked + compared) == ("16 labels are there", 16)
    learner, rows = online.labels.learner, preference_rows(store, split="train")
    assert report["learned_from"] == learner.labels == ranked
    assert learner.comparisons == len(rows) == 3 * ranked
    assert report["updates"] == 2 * (ranked // 4)  # two updates for each step of four rankings
    assert abs(compared - 0.25 * 16) <= 1  # the random arm has its share of the answers
    assert {(row["version"] > 0, row["rule"]) for row in asked} == {(False, "random"), (True, "variance")}
    state = read_state(store, online.context.run)
    assert (state.figures.labels, state.learned_from, state.waiting) == (16, ranked, 0)


def test_a_killed_run_asks_no_ranking_twice(store):
    desk, settings = Desk(store), RANKINGS | {"selection": "random"}

    def answer_then_die():
        if desk.given >= 8:
            raise Interrupt
        desk.answer()

    online = start_online(store, answer_then_die, **settings)
    with pytest.raises(Interrupt):
        online.work()
    before = store.rows(ASKED)
    store.runs.finish(online.context.run.id, "lost")
    resumed = start_online(store, answer_then_die, resumes=online.context.run.id, **settings)
    with pytest.raises(Interrupt):
        resumed.work()
    after = {row["task_id"]: row for row in store.rows(ASKED)}
    unchanged = {"outdated": 0, "shown": 1}
    assert [after[row["task_id"]] | unchanged for row in before] == [row | unchanged for row in before]
    newest = max(row["version"] for row in before)
    assert max(row["version"] for row in after.values()) == newest > 0
    again = [row["prompt_id"] for row in after.values() if row["version"] == newest]
    assert len(again) == len(set(again))  # a prompt gives one ranking of three of its four answers


def test_a_step_begins_with_fewer_labels_when_every_ranking_of_a_rollout_is_answered(store):
    desk = Desk(store)
    few = RANKINGS | {"first_labels": 12, "labels_per_step": 12, "batch_size": 16, "max_labels": 20}
    report = start_online(store, desk.answer, **few).work().report  # a rollout has four prompts, so four rankings
    assert report["learned_from"] == store.rankings.count() >= 12
    assert max(row["version"] for row in store.rows(ASKED)) > 0

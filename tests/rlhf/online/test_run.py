# SPDX-License-Identifier: Apache-2.0
"""An online run learns while people label: labels move the reward model, the policy and the questions."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from data.run_context import Cancelled
from reward.model import RewardModel
from rlhf.online.labels import progress_note
from rlhf.online.reward import publish_reward
from rlhf.online.settings import OnlineSettings
from rlhf.pages.live.state import read_state
from tests.support.online import TINY, Desk, start_online
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model

ASKED = "SELECT o.*, p.prompt_id, p.shown FROM online_pairs AS o JOIN pairs AS p ON p.id = o.pair_id"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path, model):
    store = make_tiny_home(tmp_path / "home", model, people=False)
    yield store
    store.close()


class Interrupt(Exception):
    """The end of a run in the middle of its work, as if it was killed."""


def weights(online):
    return torch.cat([matrix.detach().flatten() for matrix in online.trainer.base.parameters("policy")])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model):
    """A run that got the labels it asked for: its store, the run, its result, and the policy's first weights."""
    store = make_tiny_home(tmp_path_factory.mktemp("finished") / "home", model, people=False)
    online = start_online(store, Desk(store).answer)
    before = weights(online).clone()
    yield store, online, online.work(), before
    store.close()


def test_a_run_learns_from_the_labels_of_train_prompts_and_publishes_what_it_learned(finished):
    store, online, result, before = finished
    (policy,) = [store.policies.get(id) for id in result.produced if id.startswith("p")]
    splits = {prompt.id: prompt.split for prompt in store.prompts.all()}
    asked = store.rows(ASKED)
    assert (policy.kind, policy.parent_id, policy.run_id) == ("online", 1, online.context.run.id)
    assert not torch.equal(weights(online), before)
    assert {(row["arm"], splits[row["prompt_id"]]) for row in asked} == {("active", "train"), ("random", "test")}
    assert result.report["end"] == "32 labels are there"
    trained = store.value(
        "SELECT count(*) FROM comparisons AS c JOIN online_pairs USING (pair_id) WHERE arm = 'active'"
    )
    assert result.report["learned_from"] == trained == online.labels.learner.labels
    steps = (trained - TINY["first_labels"]) // TINY["labels_per_step"] + 1
    assert result.report["updates"] == 2 * steps  # two updates for each step that the labels allowed
    assert {row["version"] for row in asked} == {2 * step for step in range(steps + 1)}


def test_the_reward_model_of_a_run_is_published_with_a_report_on_the_random_arm(finished):
    store, online, result, _ = finished
    (judge,) = [store.reward_models.get(id) for id in result.produced if id.startswith("r")]
    assert store.policies.all()[-1].reward_model_id == judge.id
    splits = [row["split"] for row in store.snapshots.rows(judge.snapshot_id)]
    assert judge.report["trained_on"] == splits.count("train") == result.report["learned_from"]
    assert judge.report["test_comparisons"] == splits.count("test") > 0
    model = RewardModel.load(store.home / judge.adapter, online.trainer.base)
    prompts, answers = ["Say hi.", "Say hi."], ["Hi there.", "No."]
    ours, theirs = (
        torch.tensor(online.labels.learner.score(prompts, answers)),
        torch.tensor(model.score(prompts, answers)),
    )
    unit = (ours[0] - ours[1]) / (theirs[0] - theirs[1])  # the published scores are standardised
    assert unit == pytest.approx(model.about.scale, rel=1e-4)


def test_a_policy_published_on_the_way_gets_the_reward_model_of_the_end(store):
    online = start_online(store, Desk(store).answer, publish_every=1)
    result = online.work()
    (judge,) = [store.reward_models.get(id) for id in result.produced if id.startswith("r")]
    assert store.policies.all()[-1].reward_model_id == judge.id
    assert judge.report["trained_on"] == online.labels.learner.labels
    online.publish(last=True)  # nothing was learned since
    assert len(store.reward_models.all()) == 1


def test_a_run_whose_labels_were_all_withdrawn_publishes_no_reward_model(finished):
    _, online, *_ = finished
    assert publish_reward(online.context, online.settings, online.labels.learner, []) is None


def test_the_live_page_shows_the_figures_that_the_run_reports(finished):
    store, online, result, _ = finished
    state = read_state(store, online.context.run)
    assert asdict(state.figures) == result.report["live"]
    assert (state.updates, state.learned_from) == (online.trainer.updates_done, result.report["learned_from"])
    assert state.kl is not None


def test_the_random_arm_has_its_share_and_half_of_it_meets_the_start(finished):
    store, *_ = finished
    rules = [row["rule"] for row in store.rows(ASKED)]
    of_random_arm = [row["rule"] for row in store.rows(f"{ASKED} WHERE arm = 'random'")]
    assert 0.2 <= len(of_random_arm) / len(rules) <= 0.35  # of 0.25, in whole pairs
    assert abs(of_random_arm.count("start") - of_random_arm.count("random")) <= len(of_random_arm) / 3
    assert store.value("SELECT count(*) FROM completions WHERE policy_id = 1") == of_random_arm.count("start")


def test_the_first_questions_are_random_and_later_ones_are_the_most_disputed(finished):
    store, *_ = finished
    rules = {(row["version"] > 0, row["rule"]) for row in store.rows(f"{ASKED} WHERE arm = 'active'")}
    assert rules == {(False, "random"), (True, "variance")}


def test_no_question_waits_when_the_run_has_ended(finished):
    store, online, *_ = finished
    assert store.online_pairs.waiting(online.context.run.id, 0) == store.pairs.waiting_count() == 0


def test_a_stopped_run_publishes_and_goes_on_with_the_same_questions_and_policy(store):
    desk = Desk(store)

    def answer_then_stop():
        if desk.given < 16:
            desk.answer()
        else:  # the run looks once a second whether somebody asked it to stop
            store.runs.request_cancel(online.context.run.id)

    online = start_online(store, answer_then_stop)
    with pytest.raises(Cancelled):
        online.work()
    store.runs.finish(online.context.run.id, "cancelled")
    stopped_at, updates = weights(online).clone(), online.trainer.updates_done
    assert [policy.run_id for policy in store.policies.all()[1:]] == [online.context.run.id]
    resumed = start_online(store, desk.answer, resumes=online.context.run.id)
    asked = {row["pair_id"] for row in store.rows(ASKED)}

    def check_then_answer():
        if resumed.trainer.updates_done == updates:
            assert torch.equal(weights(resumed), stopped_at)
            assert {row["pair_id"] for row in store.rows(f"{ASKED} WHERE version = {updates}")} >= {
                row for row in asked if store.one(f"{ASKED} WHERE pair_id = {row}")["version"] == updates
            }
        desk.answer()

    resumed.labels.rest = check_then_answer
    resumed.work()
    assert {row["run_id"] for row in store.rows(ASKED)} == {online.context.run.id}
    assert store.runs.lineage(resumed.context.run)[0].id == online.context.run.id


def test_a_run_that_was_killed_asks_no_question_twice(store):
    desk = Desk(store)

    def answer_then_die():
        if desk.given >= 16:
            raise Interrupt
        desk.answer()

    online = start_online(store, answer_then_die)
    with pytest.raises(Interrupt):
        online.work()
    before = store.rows(f"{ASKED} ORDER BY pair_id")
    store.runs.finish(online.context.run.id, "lost")
    resumed = start_online(store, desk.answer, resumes=online.context.run.id)
    resumed.labels.rest = lambda: (_ for _ in ()).throw(Interrupt)
    with pytest.raises(Interrupt):
        resumed.work()
    after = {row["pair_id"]: row for row in store.rows(ASKED)}
    assert [after[row["pair_id"]] | {"outdated": 0} for row in before] == [row | {"outdated": 0} for row in before]
    texts = "SELECT count(*) FROM (SELECT DISTINCT prompt_id, text, number FROM completions WHERE policy_id IS NULL)"
    assert store.value(texts) == store.value("SELECT count(*) FROM completions WHERE policy_id IS NULL")


def test_labels_of_an_excluded_labeler_are_forgotten_and_the_run_waits_for_others(store):
    desk, second = Desk(store, labelers=1), Desk(store, labelers=2)
    learned = []

    def exclude_the_first():
        if desk.given < 20:
            desk.answer()
        elif not learned:
            learned.append(online.labels.learner.labels)
            store.excluded_labelers.exclude("lab0", "answers at random", by="test")
        else:
            learned.append(len(online.labels.training))
            second.answer()

    second.sessions = second.sessions[1:]
    online = start_online(store, exclude_the_first, max_labels=24)
    result = online.work()
    assert learned[0] > 0  # it had learned from them
    assert learned[1] == 0
    by_others = "SELECT count(*) FROM comparisons AS c JOIN accounts AS l ON l.id = c.labeler_id WHERE l.name != 'lab0'"
    assert result.report["live"]["labels"] == store.value(by_others) == 24


@pytest.mark.parametrize(
    ("labels", "seconds", "note"),
    [
        (7, 10.0, "the next step begins at 8"),
        (8, 10.0, "the next step begins now"),
        (15, 10.0, "the next step begins now"),
        (24, 10.0, "16 labels behind, about 20 s"),  # two steps of 8 labels
        (24, None, "16 labels behind"),  # before the first step nobody knows how long one takes
    ],
)
def test_the_note_says_what_the_run_waits_for_or_how_many_labels_and_seconds_it_is_behind(labels, seconds, note):
    settings = OnlineSettings(labels_per_step=8, updates_per_step=2)
    assert progress_note(labels, 8, settings, seconds) == f"{labels} labels to learn from; {note}"


def test_a_run_that_gets_labels_faster_than_it_learns_says_by_how_much_it_lags_and_loses_none(store):
    desk, notes = Desk(store), []

    def answer_all_then_stop():
        if desk.given:  # the run has learned from all of them
            store.runs.request_cancel(online.context.run.id)
        before = -1
        while before < desk.given:
            before = desk.given
            desk.answer()

    online = start_online(store, answer_all_then_stop, first_labels=2, labels_per_step=2, max_labels=0)
    report = online.context.progress
    online.context.progress = lambda done, total, note="": (notes.append(note), report(done, total, note))
    with pytest.raises(Cancelled):
        online.work()
    behind = [note for note in notes if "behind" in note]
    assert "labels behind, about" in behind[-1]
    trained = store.value(
        "SELECT count(*) FROM current_comparisons JOIN online_pairs USING (pair_id) WHERE arm = 'active'"
    )
    assert len(online.labels.training) == online.labels.learner.labels == trained

# SPDX-License-Identifier: Apache-2.0
"""The guide of the first round: what is done, due and later; times, runs at work, and the result in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.records import Run
from data.store import Store
from labeling.texts.reader import writing_in
from reward.report.addresses import id_link
from rlhf.pages.doubts import Doubt, Measured
from rlhf.pages.first_round.facts import Outcome, RoundFacts, end_round, read_round
from rlhf.pages.first_round.offer import Offer, make_offer, offer_button
from rlhf.pages.first_round.steps import describe_outcome, due_step, round_steps
from rlhf.pages.first_round.view import draw_round
from rlhf.pages.next_step import LoopCounts, NewestPolicy

COUNTS = LoopCounts(prompts=1000, test_prompts=150, completions=228, policies=2, waiting=113)
FACTS = RoundFacts(COUNTS, Offer(113), covered=True, on_starter=True, pace=None, runs=(), policy=None, outcome=None)
LABELED = replace(COUNTS, waiting=0, simulated=113, admitted=113)
REWARDED = replace(FACTS, counts=replace(LABELED, reward_models=1, newest_driver="r1", driver="r1"), offer=None)
TRAINED = replace(REWARDED, policy=NewestPolicy("p3", "p2", 0), counts=replace(REWARDED.counts, driven=True))
COMPARED = replace(TRAINED, outcome=Outcome(0.669, (0.632, 0.704), 300, "rubric"))


def run(store: Store, kind: str, state: str, seconds: int = 0, **more: object) -> Run:
    """Return the row of a run; `seconds` from its start to its end."""
    row = store.runs.get(store.runs.enqueue(kind, {}, "rae").id)
    times = {
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}+00:00",
    }
    return replace(row, state=state, **times, **more)


def draw(facts: RoundFacts) -> str:
    return draw_round(round_steps(facts))


@pytest.mark.parametrize(
    ("facts", "done"),
    [(FACTS, 0), (replace(FACTS, counts=LABELED), 1), (REWARDED, 2), (TRAINED, 3), (COMPARED, 4)],
    ids=["new", "labeled", "rewarded", "trained", "compared"],
)
def test_the_first_step_that_is_not_done_is_due_and_the_rest_comes_later(facts, done):
    states = ["done"] * done + ["now"] + ["later"] * (4 - done)
    assert [step.state for step in round_steps(facts)] == states
    assert [step.key for step in round_steps(facts)] == ["label", "reward", "ppo", "compare", "result"]


def test_a_new_home_offers_its_pairs_to_people_and_to_simulated_labelers():
    step = due_step(FACTS)
    assert (step.action.link, step.offer.pairs) == ("../label/", 113)
    assert step.detail == "0 of 100 comparisons."
    assert step.time == "Simulated labelers take about 5 s."


def test_each_run_of_the_round_is_started_with_what_the_step_before_made():
    reward, ppo, compare = (due_step(facts).action for facts in (replace(FACTS, counts=LABELED), REWARDED, TRAINED))
    assert (reward.kind, reward.settings) == ("reward", {"labels": "simulated"})
    assert (ppo.kind, ppo.settings) == ("ppo", {"reward": "r1"})
    assert (compare.kind, compare.settings) == ("compare", {"policies": "p3", "against": "p2"})


def test_the_step_that_trains_the_reward_model_says_what_it_learns_from():
    mixed = replace(LABELED, by_people=12, simulated=90, admitted=90)
    assert due_step(replace(FACTS, counts=mixed)).detail == (
        "The reward model is trained and tested on comparisons: 12 by people, 90 by simulated labelers."
    )


def test_without_a_rubric_people_compare_the_policies_blindly():
    action = due_step(replace(TRAINED, covered=False)).action
    assert (action.kind, action.settings) == (
        "sample",
        {"from": "p3", "against": "p2", "prompts": 100, "until_decided": True},
    )
    waiting = replace(TRAINED, covered=False, policy=replace(TRAINED.policy, waiting=90))
    assert due_step(waiting).action.link == "../label/"


def test_the_time_is_that_of_earlier_runs_here_else_the_starters_else_none(store):
    later = {step.key: step.time for step in round_steps(FACTS)}
    assert later["ppo"] == "About 4 min on two CPU cores."
    known = replace(FACTS, runs=(run(store, "ppo", "done", seconds=125),))
    assert {step.key: step.time for step in round_steps(known)}["ppo"] == "About 2 min, as the last runs here."
    other = replace(FACTS, on_starter=False, offer=None)
    assert [step.time for step in round_steps(other)] == ["", "", "", "", ""]


def test_labeling_takes_as_long_as_the_pace_of_the_people_here():
    begun = replace(COUNTS, by_people=20)
    step = due_step(replace(FACTS, counts=begun, pace=6.0, offer=None))
    assert step.time == "You need about 8 min at the pace so far."  # 80 more, of 6 s each


def test_while_the_run_is_at_work_its_progress_stands_in_place_of_the_button(store):
    working = run(store, "reward", "running", done=6, total=13, note="training")
    facts = replace(FACTS, counts=LABELED, runs=(working,))
    assert due_step(facts).action is None
    html = draw(facts)
    assert "6 of 13 training" in html
    assert "data-press=round-next" not in html


def test_a_failed_run_says_why_and_can_be_started_again(store):
    failed = run(store, "reward", "failed", error="no memory <left>")
    html = draw(replace(FACTS, counts=LABELED, runs=(failed,)))
    assert f"{id_link('run1')} failed: no memory &lt;left&gt;" in html
    assert "data-press=round-next>Train the first reward model</button>" in html


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.63, 0.70), "So p3 answers better."),
        ((0.30, 0.45), "So p3 answers worse."),
        ((0.45, 0.55), "That is no clear difference."),
    ],
)
def test_the_result_is_a_sentence_with_interval_verdict_and_judge(interval, verdict):
    rate = sum(interval) / 2
    said = describe_outcome("p3", "p2", Outcome(rate, interval, 300, "rubric"))
    low, high = (f"{100 * end:.0f}" for end in interval)
    wins = f"The answers of p3 win {100 * rate:.0f} % ({low} to {high}) of the time against those of p2."
    assert said == f"{wins} {verdict} The rubric judged 300 test prompts."


def test_the_guide_ends_with_the_result_and_a_button_that_ends_it():
    html = draw(COMPARED)
    assert "4 of 5 steps done" in html
    assert "win 67 % (63 to 70) of the time" in html
    assert "data-press=round-end>Finish the guide</button>" in html
    assert "href='#runs'" in html


def test_the_guide_speaks_korean():
    with writing_in("ko"):
        html = draw(COMPARED)
    assert "lang=ko" in html
    assert f"{id_link('p3')}의 답변이 {id_link('p2')}의 답변을 67 % (63~70) 이깁니다." in html


def test_a_button_says_how_many_pairs_and_that_the_answers_are_marked():
    assert "Let simulated labelers answer 113 pairs" in offer_button(Offer(113))
    assert "Let simulated labelers answer up to 200 pairs" in offer_button(Offer(200, growing=True))
    assert "marked as simulated" in offer_button(Offer(113))


def test_nothing_is_offered_without_a_rubric_or_while_simulated_labelers_are_at_work(store, add_pairs):
    add_pairs(3)
    assert make_offer(store) is None  # prompts without facts
    facts = {"family": "colour", "key": "snow", "answer": "white"}
    store.execute("UPDATE prompts SET facts = json(?)", [str(facts).replace("'", '"')])
    assert make_offer(store) == Offer(3)
    sampling = store.runs.enqueue("sample", {}, "rae")
    assert make_offer(store) == Offer(200, growing=True)
    store.runs.request_cancel(sampling.id)
    store.runs.enqueue("simulate", {}, "rae")
    assert make_offer(store) is None


def test_the_reward_model_waits_for_the_last_labels_of_simulated_labelers(store):
    working = run(store, "simulate", "running", done=120, total=200, note="answers")
    facts = replace(FACTS, counts=replace(COUNTS, simulated=120, admitted=120), offer=None, runs=(working,))
    assert (due_step(facts).key, due_step(facts).action) == ("label", None)
    html = draw(facts)
    assert "100 of 100 comparisons." in html
    assert "120 of 200 answers" in html


DOUBTED = replace(REWARDED, counts=replace(REWARDED.counts, doubt=Doubt("coin", Measured(0.53, 0.3, 0.74, 17))))


def test_a_doubtful_reward_model_leads_to_more_comparisons_and_then_to_another_one(store):
    """After 113 labels 200 more are asked for: answers to sample, then people or simulated labelers, then a training."""
    step = due_step(DOUBTED)
    assert (step.key, step.action.kind) == ("ppo", "sample")
    assert step.detail == (
        "r1 is right on 53 % (30 to 74) of 17 unseen comparisons: maybe no better than a coin."
        " More comparisons come first."
    )
    working = replace(DOUBTED, runs=(run(store, "sample", "running", done=6, total=13, note="answers"),))
    assert due_step(working).action is None
    assert "6 of 13 answers" in draw(working)
    sampled = replace(DOUBTED, counts=replace(DOUBTED.counts, waiting=200), offer=Offer(200))
    assert (due_step(sampled).action.link, due_step(sampled).offer) == ("../label/", Offer(200))
    labeled = replace(DOUBTED, counts=replace(DOUBTED.counts, fresh_admitted=200))
    assert due_step(labeled).action.kind == "reward"
    again = replace(DOUBTED, counts=replace(DOUBTED.counts, newest_driver="r2", driver="r2", doubt=None))
    assert (due_step(again).action.kind, due_step(again).action.settings) == ("ppo", {"reward": "r2"})


def test_a_reward_model_like_length_trains_the_first_policy_and_the_guide_says_what_to_expect():
    doubt = Doubt("length", Measured(0.65, 0.58, 0.72, 169, 0.615))
    step = due_step(replace(REWARDED, counts=replace(REWARDED.counts, doubt=doubt)))
    assert (step.action.kind, step.action.settings) == ("ppo", {"reward": "r1"})
    assert step.detail.startswith(
        "r1 is right on 65 % (58 to 72) of 169 unseen comparisons. Preferring the longer answer is right on 62 %."
    )


def test_the_guide_is_there_until_it_is_ended_or_a_second_round_has_begun(store, add_pairs):
    assert read_round(store) is None  # nothing to begin with
    add_pairs(3)
    start = store.policies.add(name="start", kind="base", base="b")
    assert due_step(read_round(store)).key == "label"
    store.reward_models.add(name="first", base="b", adapter="r")
    store.reward_models.add(name="with more labels", base="b", adapter="r")
    assert due_step(read_round(store)).key == "ppo"
    run_id = store.runs.enqueue("ppo", {}, "rae").id
    trained = store.policies.add(
        name="new", kind="ppo", base="b", adapter="x", parent_id=start.id, run_id=run_id, reward_model_id=2
    )
    report = {"win_rate": 0.6, "win_rate_ci": [0.55, 0.65], "prompts": 300}
    store.evaluations.add(trained.id, start.id, "rubric", report)
    assert read_round(store).outcome == Outcome(0.6, [0.55, 0.65], 300, "rubric")
    store.reward_models.add(name="of the second round", base="b", adapter="r")
    assert read_round(store) is None


def test_an_ended_guide_stays_away(store, add_pairs):
    add_pairs(3)
    store.policies.add(name="start", kind="base", base="b")
    end_round(store)
    assert read_round(store) is None

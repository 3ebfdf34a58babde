# SPDX-License-Identifier: Apache-2.0
"""The suggested next step follows the loop, and its reason states only what the counts show."""

from __future__ import annotations

from dataclasses import replace

from data.splits import split_of
from rlhf.pages.loop import draw_loop
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.next_step import LoopCounts, NewestPolicy, next_step

FULL = {"prompts": 1000, "test_prompts": 150, "completions": 400, "policies": 2}
RATED = {"reward_models": 1, "newest_driver": "r1", "driver": "r1"}


def test_without_prompts_it_leads_to_where_a_file_comes_in():
    assert next_step(LoopCounts()).link == "#data"


def test_with_nothing_compared_and_nothing_waiting_it_samples():
    assert next_step(LoopCounts(**FULL)).kind == "sample"


def test_without_pairs_and_reward_model_it_says_how_many_comparisons_are_missing():
    counts = LoopCounts(prompts=12331, test_prompts=400, policies=2, completions=80, by_people=39, fresh=39)
    step = next_step(counts)
    assert step.reason == "No pairs left. Sample more: 61 more comparisons are needed for a first reward model."
    assert (step.kind, step.settings) == ("sample", {"prompts": 100})


def test_without_pairs_and_with_a_reward_model_it_counts_the_comparisons_since():
    counts = LoopCounts(**FULL, by_people=120, fresh=20, **RATED, driven=True)
    step = next_step(counts)
    assert step.reason == "No pairs left. Sample more: 180 more comparisons are needed for a new reward model."
    assert step.settings == {"prompts": 180}


def test_every_step_that_opens_a_page_names_its_link():
    for counts in (
        LoopCounts(),
        LoopCounts(**FULL, active="run7"),
        LoopCounts(**FULL, active="run7", waiting=5),
        LoopCounts(**FULL, waiting=5),
        LoopCounts(**FULL, disputed=18),
    ):
        step = next_step(counts)
        assert step.link
        assert step.action not in ("", "Go there")


def test_waiting_pairs_lead_to_the_labelers_page_with_the_number_still_missing():
    step = next_step(LoopCounts(**FULL, waiting=80, by_people=30))
    assert (step.kind, step.link) == (None, "../label/")
    assert "80 pairs" in step.reason
    assert "70 more" in step.reason  # 100 make a first reward model


def test_enough_comparisons_lead_to_the_first_reward_model():
    assert next_step(LoopCounts(**FULL, waiting=80, by_people=90, imported=10)).kind == "reward"


def test_simulated_comparisons_alone_do_not():
    assert next_step(LoopCounts(**FULL, waiting=80, simulated=5000)).kind is None


def test_comparisons_of_models_are_counted_apart_and_lead_to_no_reward_model(store, add_pairs):
    (pair,) = add_pairs(1)
    judge = store.accounts.add("file:x (ai gpt-x)", "labeler")
    about = {"pair_id": pair.id, "labeler_id": judge.id, "left_id": pair.first_id, "right_id": pair.second_id}
    assert "AI" not in draw_loop(count_loop(store), next_step(count_loop(store)))
    store.comparisons.record(id="one", verdict="left", source="ai", **about)
    counts = count_loop(store)
    assert (counts.by_people, counts.imported, counts.by_ai, counts.fresh) == (0, 0, 1, 0)
    assert "<b>1</b><small>0 by people · 0 simulated · 1 by AI labelers</small>" in draw_loop(counts, next_step(counts))
    assert next_step(LoopCounts(**FULL, waiting=80, by_ai=5000)).kind is None


def test_simulated_comparisons_count_once_somebody_chose_them_and_the_run_is_started_with_them():
    step = next_step(LoopCounts(**FULL, simulated=113, admitted=113))
    assert (step.kind, step.settings) == ("reward", {"labels": "simulated"})
    assert step.reason == "The reward model is trained and tested on comparisons: 113 by simulated labelers."


def test_simulated_comparisons_fill_up_what_people_lack_and_the_reason_names_both():
    step = next_step(LoopCounts(**FULL, by_people=30, simulated=80, admitted=80))
    assert (step.kind, step.settings) == ("reward", {"labels": "person+simulated"})
    assert "30 by people, 80 by simulated labelers" in step.reason


def test_where_people_gave_enough_their_comparisons_are_used_alone():
    step = next_step(LoopCounts(**FULL, by_people=90, imported=10, simulated=80, admitted=80))
    assert (step.kind, step.settings) == ("reward", {})
    assert step.reason == (
        "The reward model is trained and tested on comparisons: 90 by people, 10 imported."
        " It leaves out 80 by simulated labelers."
    )


def test_simulated_labels_of_a_command_are_admitted_by_a_run_of_simulated_labelers_alone(store, add_pairs):
    (pair,) = add_pairs(1)
    labeler = store.accounts.add("sim-1", "labeler", simulated=True)
    about = {"pair_id": pair.id, "labeler_id": labeler.id, "left_id": pair.first_id, "right_id": pair.second_id}
    store.insert("assignments", {"id": "a", **about, "expires_at": "", "created_at": ""})
    store.comparisons.record(id="c", assignment_id="a", verdict="left", source="simulated", **about)
    assert (count_loop(store).simulated, count_loop(store).admitted) == (1, 0)
    store.runs.enqueue("simulate", {}, "rae")
    assert (count_loop(store).admitted, count_loop(store).fresh_admitted, count_loop(store).by_people) == (1, 1, 0)


def test_with_simulated_labels_alone_the_loop_leads_on_from_the_new_policy():
    newest = NewestPolicy("p3", "p2", judged=0)
    ring = {**FULL, "simulated": 113, "admitted": 113, **RATED, "driven": True}
    step = next_step(LoopCounts(**ring, newest=newest))
    assert (step.kind, step.settings) == ("compare", {"policies": "p3", "against": "p2"})
    compared = ring | {"newest": replace(newest, compared=True)}
    assert next_step(LoopCounts(**compared)).kind == "sample"
    assert next_step(LoopCounts(**compared, waiting=90)).link == "../label/"
    assert next_step(LoopCounts(**compared, fresh_admitted=199)).kind == "sample"
    assert next_step(LoopCounts(**compared, fresh_admitted=200)).settings == {"labels": "simulated"}


def test_where_people_gave_more_comparisons_they_judge_a_new_policy_even_if_it_was_compared_by_the_rubric():
    newest = NewestPolicy("p3", "p2", judged=0, compared=True)
    ring = {**FULL, "admitted": 113, "by_people": 120, **RATED, "driven": True}
    assert next_step(LoopCounts(**ring, newest=newest)).settings["against"] == "p2"
    assert next_step(LoopCounts(**ring, newest=newest)).kind == "sample"


def test_a_compare_run_of_the_newest_policy_and_its_parent_is_known(store):
    start = store.policies.add(name="start", kind="sft", base="b", adapter="x")
    run = store.runs.enqueue("ppo", {}, "rae")
    trained = store.policies.add(name="trained", kind="ppo", base="b", adapter="x", parent_id=start.id, run_id=run.id)
    store.evaluations.add(trained.id, None, "rubric", {"win_rate": 0.5, "win_rate_ci": [0.4, 0.6]})
    assert count_loop(store).newest == NewestPolicy("p2", "p1", judged=0, compared=False)
    store.evaluations.add(trained.id, start.id, "rubric", {"win_rate": 0.5, "win_rate_ci": [0.4, 0.6]})
    assert count_loop(store).newest == NewestPolicy("p2", "p1", judged=0, compared=True)


def test_a_reward_model_that_drove_no_policy_leads_to_ppo():
    step = next_step(LoopCounts(**FULL, by_people=120, **RATED))
    assert (step.kind, step.settings) == ("ppo", {"reward": "r1"})
    assert next_step(LoopCounts(**FULL, by_people=120, **RATED, driven=True)).kind == "sample"


def test_a_policy_made_without_it_later_does_not_hide_what_the_reward_model_drove(store):
    store.prompts.add("Say hello.", source="test")
    reward = store.reward_models.add(name="reward", base="b", adapter="r")
    start = store.policies.add(name="start", kind="sft", base="b", adapter="x")
    assert not count_loop(store).driven
    store.policies.add(name="driven", kind="ppo", base="b", adapter="x", parent_id=start.id, reward_model_id=reward.id)
    store.policies.add(name="later", kind="dpo", base="b", adapter="x", parent_id=start.id)
    assert count_loop(store).driven


def test_the_newest_policy_that_a_run_trained_is_known_with_the_prompts_that_people_judged(store):
    text = next(text for text in map("Write note {}.".format, range(60)) if split_of(text) == "test")
    prompt = store.prompts.add(text, source="test")
    start = store.policies.add(name="start", kind="sft", base="b", adapter="x")
    run = store.runs.enqueue("ppo", {}, "rae")
    trained = store.policies.add(name="trained", kind="ppo", base="b", adapter="x", parent_id=start.id, run_id=run.id)
    assert count_loop(store).newest == NewestPolicy("p2", "p1", judged=0)
    left, right = store.completions.add_many(
        {
            "prompt_id": prompt.id,
            "policy_id": policy.id,
            "text": policy.name,
            "token_ids": [policy.id],
            "number": 0,
            "seed": 0,
        }
        for policy in (start, trained)
    )
    pair = store.pairs.add(prompt.id, left, right, purpose="compare")
    about = {
        "pair_id": pair.id,
        "labeler_id": store.accounts.add("mina", "labeler").id,
        "left_id": left,
        "right_id": right,
    }
    store.insert("assignments", {"id": "a", **about, "expires_at": "", "created_at": ""})
    store.comparisons.record(id="c", assignment_id="a", verdict="left", source="person", **about)
    assert count_loop(store).newest == NewestPolicy("p2", "p1", judged=1)


def test_a_policy_that_people_never_judged_is_queued_against_its_parent_first():
    newest = NewestPolicy("p4", "p3", judged=0)
    step = next_step(LoopCounts(**FULL, **RATED, driven=True, newest=newest))
    assert step.settings == {"from": "p4", "against": "p3", "prompts": 100, "until_decided": True}


def test_without_test_prompts_the_ring_goes_on_instead_of_queueing_pairs_that_cannot_be_had():
    ring = {
        **FULL,
        **RATED,
        "newest": NewestPolicy("p4", "p3", judged=0),
        "test_prompts": 0,
    }
    assert next_step(LoopCounts(**ring)).kind == "ppo"
    assert next_step(LoopCounts(**ring, driven=True, fresh=200)).kind == "reward"
    assert "against" not in next_step(LoopCounts(**ring, driven=True)).settings


def test_the_ring_counts_the_prompts_of_the_test_split(store):
    store.prompts.add_many({"text": f"Name {number} cats.", "source": "test"} for number in range(80))
    held = count_loop(store)
    assert (held.prompts, held.test_prompts) == (
        80,
        sum(split_of(f"Name {number} cats.") == "test" for number in range(80)),
    )
    assert 0 < held.test_prompts < 80


def test_blind_pairs_that_wait_are_judged_not_queued_again():
    newest = NewestPolicy("p4", "p3", judged=3, waiting=90)
    step = next_step(LoopCounts(**FULL, waiting=95, **RATED, driven=True, newest=newest))
    assert (step.kind, step.link) == (None, "../label/")
    assert "90 blind pairs" in step.reason


def test_two_hundred_fresh_comparisons_lead_to_a_new_reward_model():
    newest = NewestPolicy("p4", "p3", judged=80)
    ring = {**FULL, **RATED, "driven": True, "newest": newest}
    assert next_step(LoopCounts(**ring, fresh=199)).kind != "reward"
    step = next_step(LoopCounts(**ring, fresh=200))
    assert (step.kind, "r1" in step.reason) == ("reward", True)


def test_disputed_pairs_lead_to_the_researchers_verdict_when_no_training_is_due():
    step = next_step(LoopCounts(**FULL, waiting=80, disputed=18))
    assert (step.title, step.link) == ("Adjudicate disputed pairs", "#labels")
    assert "disagree on 18 pairs" in step.reason
    assert next_step(LoopCounts(**FULL, waiting=80, disputed=9)).link != "#labels"
    assert next_step(LoopCounts(**FULL, by_people=100, disputed=18)).kind == "reward"


def test_while_a_run_is_at_work_nothing_else_is_started():
    assert next_step(LoopCounts(**FULL, active="run7")).link == "#runs/run7"
    assert next_step(LoopCounts(**FULL, active="run7", waiting=5)).link == "../label/"

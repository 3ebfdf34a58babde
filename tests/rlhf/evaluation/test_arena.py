# SPDX-License-Identifier: Apache-2.0
"""All policies side by side: what is shown is what was found, a partial judge is named, and verdicts become strengths."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
import secrets

import gradio as gr
import pytest

from data.splits import split_of
from data.views.head_to_head import HeadToHead, head_to_head
from labeling.accounts.current import acting_as
from labeling.session import Answer, Session
from rlhf.common import locks
from rlhf.evaluation.arena import policy_rows
from rlhf.evaluation.elo import elo_ratings
from rlhf.models.independence import explain_dependence
from rlhf.pages.arena import ArenaPage, comparison, default_opponent
from rlhf.pages.arena_view import draw_notes, draw_plot, row

EVIL = "<img src=x onerror=alert(1)>"
FOUND = {
    "win_rate": 0.7,
    "win_rate_ci": [0.6, 0.8],
    "win_rate_noisy": 0.64,
    "kl": 2.25,
    "gold_end": 1.5,
    "length_end": 30.0,
    "distinct_2_end": 0.61,
    "prompts": 300,
    "seed": 0,
}


@pytest.fixture
def ring(store):
    """p1 the start; p2 PPO by r1; p3 DPO on s1; p4 best of n by r1; r1 and r2 of halves of the labels, r3 of all."""
    label = {"prompt": "q", "split": "train"}
    snapshots = [
        store.snapshots.freeze("preferences", [label | {"comparison_id": name} for name in names], {})
        for names in (("a", "b"), ("c", "d"), "abcd")
    ]
    for snapshot in snapshots:
        store.reward_models.add(name="reward", base="b", adapter="r", snapshot_id=snapshot.id)
    store.policies.add(name="start", kind="sft", base="b", adapter="x")
    store.policies.add(name="driven", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=1)
    store.policies.add(name=EVIL, kind="dpo", base="b", adapter="x", parent_id=1, snapshot_id=snapshots[0].id)
    store.policies.add(
        name="best", kind="best-of-n", base="b", adapter="x", parent_id=1, reward_model_id=1, config={"n": 8}
    )
    return store


def wins(first, second, won, lost, prompt=0):
    return [HeadToHead(prompt + n, first, second, 1.0, 1) for n in range(won)] + [
        HeadToHead(prompt + won + n, first, second, 0.0, 1) for n in range(lost)
    ]


def test_strengths_are_log_odds_on_the_scale_of_chess():
    """p3 beats p2 three times in four and p2 beats p1 three times in four: 400 log10 3 = 190.8 points each; the prior takes little of it."""
    found = elo_ratings(wins(2, 1, 300, 100) + wins(2, 3, 100, 300, prompt=400), reference=1)
    assert [one.policy_id for one in found] == [3, 2, 1]
    step = 400 * math.log10(3)
    assert [one.points for one in found] == [pytest.approx(2 * step, abs=6), pytest.approx(step, abs=3), 0.0]
    assert all(one.low <= one.points <= one.high for one in found)
    assert [one.comparisons for one in found] == [400, 800, 400]


def test_a_tie_is_half_a_win_for_both():
    found = elo_ratings([HeadToHead(n, 1, 2, 0.5, 1) for n in range(10)], reference=1)
    assert [one.points for one in found] == [0.0, pytest.approx(0.0)]


def test_a_policy_that_never_lost_has_a_strength_and_one_that_met_nobody_has_none():
    found = elo_ratings([*wins(2, 1, 5, 0), *wins(8, 9, 3, 3, prompt=50)], reference=1)
    assert [one.policy_id for one in found] == [2, 1]
    assert 0 < found[0].points < 2000
    assert elo_ratings(wins(8, 9, 3, 3), reference=1) == []


@pytest.mark.parametrize(
    ("judge", "policy", "why"),
    [
        (1, 2, "r1 drove p2"),
        (1, 4, "r1 drove p4"),
        (3, 2, "2 comparisons trained both r3 and p2"),
        (1, 3, "2 comparisons trained both r1 and p3"),
        (2, 2, None),
        (2, 3, None),
        (1, 1, None),
    ],
)
def test_a_judge_that_trained_a_policy_or_learned_with_it_is_named(ring, judge, policy, why):
    assert explain_dependence(ring, ring.reward_models.get(judge), ring.policies.get(policy)) == why


def test_what_its_parent_was_trained_by_is_not_independent_of_a_child(ring):
    child = ring.policies.add(name="child", kind="sft", base="b", adapter="x", parent_id=2)
    assert explain_dependence(ring, ring.reward_models.get(1), child) == "r1 drove p2"


@pytest.mark.parametrize("written", ["r2", "2"])
def test_the_guard_that_chose_what_is_kept_is_not_independent_of_it(ring, written):
    watched = ring.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=1, config={"guard": written}
    )
    child = ring.policies.add(name="child", kind="sft", base="b", adapter="x", parent_id=watched.id)
    assert (
        explain_dependence(ring, ring.reward_models.get(2), watched)
        == f"r2 chose the kept checkpoint of {watched.public}"
    )
    assert (
        explain_dependence(ring, ring.reward_models.get(2), child)
        == f"r2 chose the kept checkpoint of {watched.public}"
    )
    assert explain_dependence(ring, ring.reward_models.get(1), watched) == f"r1 drove {watched.public}"


def test_a_judge_that_learned_with_the_guard_is_not_independent_of_what_it_chose(ring):
    """r1 learned from a and b, r2 from c and d, r3 from all four."""
    watched = ring.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=None, config={"guard": "r2"}
    )
    shared = f"2 comparisons trained both r3 and r2, which chose the kept checkpoint of {watched.public}"
    assert explain_dependence(ring, ring.reward_models.get(3), watched) == shared
    assert explain_dependence(ring, ring.reward_models.get(1), watched) is None


@pytest.mark.parametrize("guard", ["", "polite", "r9"])
def test_a_guard_that_is_no_reward_model_of_this_home_shares_no_labels(ring, guard):
    watched = ring.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=None, config={"guard": guard}
    )
    assert explain_dependence(ring, ring.reward_models.get(3), watched) is None


def test_a_line_has_the_newest_evaluation_by_that_judge_against_that_policy(ring):
    ring.evaluations.add(2, 1, "rubric", FOUND | {"win_rate": 0.1})
    ring.evaluations.add(2, 1, "rubric", FOUND)
    ring.evaluations.add(2, 1, "r2", FOUND | {"win_rate": 0.2})
    ring.evaluations.add(2, 3, "rubric", FOUND | {"win_rate": 0.3})
    first, *rest = policy_rows(ring, ring.policies.get(1), "rubric", head_to_head(ring, "person"))
    assert (first.policy, first.kind, first.win_rate, first.win_low, first.win_high, first.kl) == (
        "p2",
        "PPO",
        0.7,
        0.6,
        0.8,
        2.25,
    )
    assert [line.win_rate for line in rest] == [None, None]


def test_seconds_and_memory_are_those_of_the_run_that_made_it(ring):
    run = ring.runs.enqueue("ppo", {}, "rae")
    ring.runs.claim()
    ring.runs.finish(run.id, "done", report={"peak_mb": 512.0})
    ring.policies.add(name="timed", kind="ppo", base="b", adapter="x", parent_id=1, run_id=run.id)
    line = next(
        line
        for line in policy_rows(ring, ring.policies.get(1), "rubric", head_to_head(ring, "person"))
        if line.name == "timed"
    )
    assert line.peak_mb == 512.0
    assert line.seconds >= 0


def test_verdicts_of_people_count_for_rate_and_ranking_on_test_prompts_alone(ring):
    texts = [f"Write note {number}." for number in range(60)]
    for text in texts:
        prompt = ring.prompts.add(text, source="test")
        made = ring.completions.add_many(
            {
                "prompt_id": prompt.id,
                "policy_id": policy,
                "text": f"by p{policy}",
                "token_ids": [policy],
                "number": 0,
                "seed": 0,
            }
            for policy in (1, 2)
        )
        ring.pairs.add(prompt.id, *made, purpose="compare")
    session = Session(ring, ring.accounts.add("mina", "labeler"))
    while item := session.next():
        session.submit(Answer(secrets.token_hex(16), item.assignment, "left" if item.left == "by p2" else "right"))
    tests = sum(split_of(text) == "test" for text in texts)
    line = next(
        line
        for line in policy_rows(ring, ring.policies.get(1), "rubric", head_to_head(ring, "person"))
        if line.policy == "p2"
    )
    assert (line.people, line.people_prompts) == (1.0, tests)
    assert {one[1:] for one in head_to_head(ring, "person")} == {
        (2, 1, 1.0, 1),
        (1, 2, 0.0, 1),
    }  # whichever id comes first
    assert len(head_to_head(ring, "person")) == tests
    assert head_to_head(ring, "simulated") == []


def test_a_planned_repeat_is_no_second_meeting(ring):
    text = next(text for text in map("Write note {}.".format, range(60)) if split_of(text) == "test")
    prompt = ring.prompts.add(text, source="test")
    left, right = ring.completions.add_many(
        {
            "prompt_id": prompt.id,
            "policy_id": policy,
            "text": f"by p{policy}",
            "token_ids": [policy],
            "number": 0,
            "seed": 0,
        }
        for policy in (1, 2)
    )
    pair = ring.pairs.add(prompt.id, left, right, purpose="compare")
    about = {
        "pair_id": pair.id,
        "labeler_id": ring.accounts.add("mina", "labeler").id,
        "left_id": left,
        "right_id": right,
    }
    for id, repeats in (("first", None), ("again", "first")):
        ring.insert("assignments", {"id": id, **about, "repeats": repeats, "expires_at": "", "created_at": ""})
        ring.comparisons.record(id=f"said {id}", assignment_id=id, verdict="left", source="person", **about)
    assert [one.times for one in head_to_head(ring, "person")] == [1]


def test_the_table_the_notes_and_the_plot_say_what_is_not_known(ring):
    ring.evaluations.add(2, 1, "r1", FOUND | {"judge_partial": "r1 drove p2"})
    ring.evaluations.add(4, 1, "r1", FOUND | {"kl": 1.2, "kl_bound": True, "prompts": 100})
    start = ring.policies.get(1)
    found = policy_rows(ring, start, "r1", [])
    shown = {line.policy: row(line) for line in found}
    assert shown["p2"][2:4] == ["PPO", "70 % (60–80)"]
    assert [shown[policy][-1] for policy in ("p2", "p4")] == ["judge not independent", ""]
    assert shown["p4"][7] == "≤ 1.20"
    assert shown["p3"][3:] == ["–"] * 11 + [""]
    said = draw_notes(found, start)
    assert "p2: the judge is not independent, r1 drove p2." in said
    assert "Not compared yet: p3." in said
    assert "The rows use different test prompts." in said
    drawn = draw_plot(found, start)
    assert "<circle" in drawn  # measured
    assert drawn.count("<rect") == 1  # the bound
    assert "p2 PPO: 70 % (60–80), KL 2.25" in drawn
    assert draw_plot(policy_rows(ring, start, "rubric", []), start) == ""


def page_of(store):
    with gr.Blocks():
        return ArenaPage(store, [gr.Timer(2).tick])


def asks(store):
    return acting_as(store.accounts.by_name("rae") or store.accounts.add("rae", "researcher"))


def test_the_page_draws_itself_once_until_something_comes(ring):
    ring.evaluations.add(2, 1, "rubric", FOUND)
    page = page_of(ring)
    updates = page.refresh("#arena", "", "", "rubric")
    assert updates[page.against].value == "p1"
    assert updates[page.judge].choices[0][0] == "rubric"
    assert updates[page.table][0][0] == "p2"
    assert "<svg" in updates[page.plot]
    assert "../label/" in updates[page.ranking]
    assert page.refresh("#arena", updates[page.seen], "p1", "rubric") == gr.skip()
    assert page.refresh("#runs", "", "p1", "rubric") == gr.skip()
    written = base64.b64decode(re.search(r"base64,([^']+)", updates[page.notes])[1]).decode()
    assert {line["policy"]: line["win_rate"] for line in csv.DictReader(io.StringIO(written))} == {
        "p2": "0.7",
        "p3": "",
        "p4": "",
    }


def test_an_unknown_opponent_is_one_line(ring):
    page = page_of(ring)
    assert "there is no policy p99" in page.draw("p99", "rubric")[page.notes]


def test_a_name_of_a_policy_is_never_markup(ring):
    ring.evaluations.add(3, 1, "rubric", FOUND | {"judge_partial": EVIL})
    start = ring.policies.get(1)
    found = policy_rows(ring, start, "rubric", [])
    assert "<img" not in draw_notes(found, start) + draw_plot(found, start)


def test_one_click_queues_all_policies_on_the_same_prompts(ring):
    ring.prompts.add_many({"text": f"Write note {number}.", "source": "test"} for number in range(40))
    (ring.home / "x").mkdir()
    (ring.home / "x" / "adapter_config.json").touch()
    with locks.acquire_lock(ring.home / locks.SUPERVISOR):
        page = page_of(ring)
        with asks(ring):
            assert "run1 is queued" in page.queue_comparison("p1", "r2", [])
            assert "run2, run3 queued" in page.queue_pairs("p1", ["p2", "p3"])
    compare = ring.runs.get(1)
    assert compare.settings["policies"] == ["p2", "p3", "p4"]
    assert (compare.settings["against"], compare.settings["judge"], compare.settings["reward"]) == (
        "p1",
        "reward",
        "r2",
    )
    assert [ring.runs.get(number).settings["against"] for number in (2, 3)] == ["p1", "p1"]


def test_beside_the_rubric_the_newest_reward_model_says_what_it_thinks(ring):
    assert comparison(ring, "p1", "rubric", ["p2"])["reward"] == "r3"


def test_the_opponent_is_the_one_most_were_compared_with(ring):
    assert default_opponent(ring, ring.policies.all()) == "p1"
    ring.evaluations.add(1, 2, "rubric", FOUND)
    assert default_opponent(ring, ring.policies.all()) == "p2"

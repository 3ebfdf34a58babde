# SPDX-License-Identifier: Apache-2.0
"""The arena: newest evaluations, cost, and win rates by people."""

from __future__ import annotations

import secrets

import pytest

from data.splits import split_of
from data.views.head_to_head import head_to_head
from labeling.session import Answer, Session
from rlhf.evaluation.arena import policy_rows
from tests.support.arena_home import EVALUATION, fill_arena


@pytest.fixture
def arena(store):
    return fill_arena(store)


def test_a_row_has_the_newest_evaluation_by_that_judge_against_that_policy(arena):
    arena.evaluations.add(2, 1, "rubric", EVALUATION | {"win_rate": 0.1})
    arena.evaluations.add(2, 1, "rubric", EVALUATION)
    arena.evaluations.add(2, 1, "r2", EVALUATION | {"win_rate": 0.2})
    arena.evaluations.add(2, 3, "rubric", EVALUATION | {"win_rate": 0.3})
    first, *rest = policy_rows(arena, arena.policies.get(1), "rubric", head_to_head(arena, "person"))
    assert (first.policy, first.kind, first.win_rate, first.win_low, first.win_high, first.kl) == (
        "p2",
        "PPO",
        0.7,
        0.6,
        0.8,
        2.25,
    )
    assert [line.win_rate for line in rest] == [None, None]


def test_seconds_and_memory_belong_to_the_run_that_made_the_policy(arena):
    run = arena.runs.enqueue("ppo", {}, "rae")
    arena.runs.claim()
    arena.runs.finish(run.id, "done", report={"peak_mb": 512.0})
    arena.policies.add(name="timed", kind="ppo", base="b", adapter="x", parent_id=1, run_id=run.id)
    line = next(
        line
        for line in policy_rows(arena, arena.policies.get(1), "rubric", head_to_head(arena, "person"))
        if line.name == "timed"
    )
    assert line.peak_mb == 512.0
    assert line.seconds >= 0


def test_verdicts_of_people_count_only_on_test_prompts(arena):
    texts = [f"Write note {number}." for number in range(60)]
    for text in texts:
        prompt = arena.prompts.add(text, source="test")
        made = arena.completions.add_many(
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
        arena.pairs.add(prompt.id, *made, purpose="compare")
    session = Session(arena, arena.accounts.add("mina", "labeler"))
    while item := session.next():
        session.submit(Answer(secrets.token_hex(16), item.assignment, "left" if item.left == "by p2" else "right"))
    tests = sum(split_of(text) == "test" for text in texts)
    line = next(
        line
        for line in policy_rows(arena, arena.policies.get(1), "rubric", head_to_head(arena, "person"))
        if line.policy == "p2"
    )
    assert (line.people, line.people_prompts) == (1.0, tests)
    assert {one[1:] for one in head_to_head(arena, "person")} == {
        (2, 1, 1.0, 1),
        (1, 2, 0.0, 1),
    }  # whichever id comes first
    assert len(head_to_head(arena, "person")) == tests
    assert head_to_head(arena, "simulated") == []


def test_a_planned_repeat_counts_as_one_comparison(arena):
    text = next(text for text in map("Write note {}.".format, range(60)) if split_of(text) == "test")
    prompt = arena.prompts.add(text, source="test")
    left, right = arena.completions.add_many(
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
    pair = arena.pairs.add(prompt.id, left, right, purpose="compare")
    about = {
        "pair_id": pair.id,
        "labeler_id": arena.accounts.add("mina", "labeler").id,
        "left_id": left,
        "right_id": right,
    }
    for id, repeats in (("first", None), ("again", "first")):
        arena.insert("assignments", {"id": id, **about, "repeats": repeats, "expires_at": "", "created_at": ""})
        arena.comparisons.record(id=f"said {id}", assignment_id=id, verdict="left", source="person", **about)
    assert [one.times for one in head_to_head(arena, "person")] == [1]

# SPDX-License-Identifier: Apache-2.0
"""While an online run works, the Loop page leads to its labels and figures; before a first reward model it is an option."""

from __future__ import annotations

import gradio as gr
import pytest

from rlhf.pages.first_round.facts import RoundFacts
from rlhf.pages.first_round.steps import round_steps
from rlhf.pages.first_round.view import draw_round
from rlhf.pages.loop import LoopPage, draw_step
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.next_step import LoopCounts, next_step
from tests.support.data.online_answers import OnlineRunRows

FULL = {"prompts": 1000, "test_prompts": 150, "completions": 400, "policies": 2}


@pytest.fixture
def rows(tiny_store):
    return OnlineRunRows(tiny_store)


def test_only_an_online_run_that_works_is_followed_and_before_other_active_runs(tiny_store, rows):
    assert count_loop(tiny_store).online is None  # it is queued
    tiny_store.runs.enqueue("simulate", {}, "rae")
    rows.start()
    assert count_loop(tiny_store).online == rows.run.public
    step = next_step(count_loop(tiny_store))
    assert (step.link, step.title) == ("#live", "Watch the online run")  # no pair waits
    rows.ask(3)
    step = next_step(count_loop(tiny_store))
    assert (step.link, step.title) == ("../label/", "Label: the online run learns from it")
    assert "3 pairs wait" in step.reason
    assert "<a href='#live'>Live</a>" in draw_step(step)
    tiny_store.runs.finish(rows.run.id, "done")
    assert count_loop(tiny_store).online is None


def test_the_guide_of_the_first_round_makes_room_for_the_run(tiny_store, rows):
    with gr.Blocks():
        page = LoopPage(tiny_store, gr.Button().click)
    assert "class='card round'" in page.draw()[page.suggestion]
    rows.start()
    drawn = page.draw()
    assert "the online run" in drawn[page.suggestion]
    assert not drawn[page.start].visible


def test_a_first_reward_model_of_peoples_labels_is_suggested_beside_online_learning():
    html = draw_step(next_step(LoopCounts(**FULL, by_people=120, fresh=120)))
    assert html.count("<a href='#live'>Live</a>") == 1
    for others in ({"simulated": 120, "admitted": 120}, {"by_people": 300, "fresh": 300, "reward_models": 1}):
        step = next_step(LoopCounts(**FULL, **others, newest_driver="r1" if "fresh" in others else None, driven=True))
        assert step.kind == "reward"
        assert "#live" not in draw_step(step)


def test_the_guide_says_so_too_when_the_reward_model_is_due():
    counts = LoopCounts(**FULL, by_people=120, fresh=120)
    facts = RoundFacts(counts, None, covered=True, on_starter=True, pace=None, runs=(), policy=None, outcome=None)
    assert draw_round(round_steps(facts)).count("<a href='#live'>Live</a>") == 1

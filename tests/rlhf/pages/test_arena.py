# SPDX-License-Identifier: Apache-2.0
"""The arena page: unknown figures, escaped names, and the runs that a click queues."""

from __future__ import annotations

import gradio as gr
import pytest

from labeling.accounts.current import acting_as
from reward.report.addresses import id_link
from rlhf.common import locks
from rlhf.evaluation.arena import policy_rows
from rlhf.pages.arena import ArenaPage, comparison, default_opponent
from rlhf.pages.arena_view import STANDARD, draw_notes, draw_plot, read_columns, row
from tests.support.arena_home import EVALUATION, MARKUP, fill_arena


@pytest.fixture
def arena(store):
    return fill_arena(store)


def test_the_table_the_notes_and_the_plot_mark_unknown_figures(arena):
    arena.evaluations.add(2, 1, "r1", EVALUATION | {"judge_partial": "r1 drove p2"})
    arena.evaluations.add(4, 1, "r1", EVALUATION | {"kl": 1.2, "kl_bound": True, "prompts": 100})
    start = arena.policies.get(1)
    policies = policy_rows(arena, start, "r1", [])
    shown = {line.policy: row(line) for line in policies}
    assert shown["p2"][2:4] == ["PPO", "70 % (60–80) of 300"]
    assert [shown[policy][-1] for policy in ("p2", "p4")] == ["judge not independent", ""]
    assert shown["p4"][7] == "≤ 1.20"
    assert shown["p3"][3:] == ["–"] * 11 + [""]
    notes = draw_notes(policies, start)
    p2, p3, r1 = map(id_link, ("p2", "p3", "r1"))
    assert f"{p2}: the judge is not independent, {r1} drove {p2}." in notes
    assert f"Not compared yet: {p3}." in notes
    assert "The rows use different test prompts." in notes
    plot = draw_plot(policies, start)
    assert "<circle" in plot  # measured
    assert plot.count("<rect") == 1  # the bound
    assert "p2 PPO: 70 % (60–80), KL 2.25" in plot
    assert draw_plot(policy_rows(arena, start, "rubric", []), start) == ""


def make_page(store):
    with gr.Blocks():
        return ArenaPage(store, gr.Button().click)


def acting_as_researcher(store):
    return acting_as(store.accounts.by_name("rae") or store.accounts.add("rae", "researcher"))


def test_the_page_draws_once_until_an_evaluation_comes(arena):
    arena.evaluations.add(2, 1, "rubric", EVALUATION)
    page = make_page(arena)
    updates = page.refresh("", "", "rubric", [])
    assert updates[page.against].value == "p1"
    assert updates[page.judge].choices[0][0] == "rubric"
    assert updates[page.table].value["data"][0][0] == "p2"
    assert "<svg" in updates[page.plot]
    assert "../label/" in updates[page.ranking]
    assert page.refresh("", updates[page.seen], "rubric", updates[page.columns]) == gr.skip()


def test_the_reader_chooses_the_columns_and_the_browser_keeps_them(arena):
    page = make_page(arena)
    first = page.refresh("", "", "rubric", ["name"])
    assert first[page.columns] == list(STANDARD)  # the browser keeps none yet
    assert first[page.table].headers[:2] == ["Policy", "Name"]
    narrow = page.refresh("", first[page.seen], "rubric", ["kl", "method"])
    assert narrow[page.table].headers == ["Policy", "Method", "KL (nats)"]
    assert narrow[page.table].value["data"][0] == ["p2", "PPO", "–"]
    assert page.columns not in narrow
    assert page.refresh("", narrow[page.seen], "rubric", None)[page.table].headers == ["Policy"]


@pytest.mark.parametrize(
    ("kept", "chosen"),
    [(None, list(STANDARD)), ("", []), ("kl.method", ["method", "kl"]), ("kl.<b>.policy", ["kl"])],
)
def test_kept_columns_are_those_that_the_table_has_in_its_own_order(kept, chosen):
    assert read_columns(kept) == chosen


def test_an_unknown_opponent_is_a_one_line_note(arena):
    page = make_page(arena)
    assert "There is no policy p99." in page.draw("p99", "rubric")[page.notes]


def test_the_name_of_a_policy_is_escaped(arena):
    arena.evaluations.add(3, 1, "rubric", EVALUATION | {"judge_partial": MARKUP})
    start = arena.policies.get(1)
    policies = policy_rows(arena, start, "rubric", [])
    assert "<img" not in draw_notes(policies, start) + draw_plot(policies, start)


def test_one_click_queues_all_policies_on_the_same_prompts(arena):
    arena.prompts.add_many({"text": f"Write note {number}.", "source": "test"} for number in range(40))
    (arena.home / "x").mkdir()
    (arena.home / "x" / "adapter_config.json").touch()
    with locks.acquire_lock(arena.home / locks.SUPERVISOR):
        page = make_page(arena)
        with acting_as_researcher(arena):
            assert f"{id_link('run1')} is queued" in page.queue_comparison("p1", "r2", [])
            assert f"{id_link('run2')}, {id_link('run3')} queued" in page.queue_pairs("p1", ["p2", "p3"])
    compare = arena.runs.get(1)
    assert compare.settings["policies"] == ["p2", "p3", "p4"]
    assert (compare.settings["against"], compare.settings["judge"], compare.settings["reward"]) == (
        "p1",
        "reward",
        "r2",
    )
    assert [arena.runs.get(number).settings["against"] for number in (2, 3)] == ["p1", "p1"]


def test_a_comparison_by_the_rubric_includes_the_newest_reward_model(arena):
    assert comparison(arena, "p1", "rubric", ["p2"])["reward"] == "r3"


def test_the_default_opponent_is_the_most_frequent_one(arena):
    assert default_opponent(arena, arena.policies.all()) == "p1"
    arena.evaluations.add(1, 2, "rubric", EVALUATION)
    assert default_opponent(arena, arena.policies.all()) == "p2"

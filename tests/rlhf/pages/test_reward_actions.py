# SPDX-License-Identifier: Apache-2.0
"""The reward model on the screen of the Reward page can be exported, named and noted."""

from __future__ import annotations

import gradio as gr
import pytest

from labeling.accounts.current import acting_as
from rlhf.pages.reward_actions import RewardActions
from rlhf.runs.notes import change_note


@pytest.fixture
def actions(store):
    with gr.Blocks():
        return RewardActions(store, gr.Button().click)


def add(store, method, members=1):
    report = {"method": {"method": method}}
    return store.reward_models.add(name=method, base="b", adapter="a", report=report, config={"members": members})


@pytest.mark.parametrize(("method", "members", "whole"), [("lora", 1, True), ("lora", 3, False), ("heads", 1, False)])
def test_only_a_single_adapter_is_offered_as_a_whole_model(store, actions, method, members, whole):
    add(store, method, members)
    shown = actions.refresh("", "", "")
    assert (shown[actions.adapter].visible, shown[actions.whole].visible) == (True, whole)


def test_without_a_reward_model_nothing_is_offered(actions):
    shown = actions.refresh("", "", "")
    assert [shown[part].visible for part in (actions.adapter, actions.whole, actions.note.fold)] == [False] * 3


def test_the_note_is_of_the_model_that_the_address_names_and_an_unchanged_page_stays(store, actions):
    add(store, "lora")
    add(store, "heads")
    change_note(store, "r1", by="rae", name="the careful one")
    first = actions.refresh("r1", "", "")
    assert first[actions.note.name] == "the careful one"
    assert actions.refresh("r1", first[actions.seen], first[actions.note.seen]) == gr.skip()
    assert actions.refresh("", first[actions.seen], first[actions.note.seen])[actions.note.name] == ""  # r2, the newest


def test_a_click_queues_the_export_of_the_model_on_the_screen_and_says_so(store, actions):
    add(store, "lora")
    add(store, "lora")
    with acting_as(store.accounts.add("rae", "researcher")):
        told = [actions.queue_export(chosen, merge=merge) for chosen, merge in (("r1", True), ("", False))]
        refused = actions.queue_export("r7", merge=False)
    runs = store.runs.all()[::-1]
    assert [(run.kind, run.settings["reward"], run.settings["merge"]) for run in runs] == [
        ("export", "r1", True),
        ("export", "r2", False),
    ]
    assert "run1" in told[0]
    assert "run2" in told[1]
    assert "r7" in refused

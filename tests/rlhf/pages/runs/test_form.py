# SPDX-License-Identifier: Apache-2.0
"""The forms of the Runs page show which policy and reward model an empty field means, and follow the store."""

from __future__ import annotations

import gradio as gr
import pytest

from data import Store
from rlhf.pages.runs.page import RunsPage


@pytest.fixture
def page(store: Store) -> RunsPage:
    for number in (1, 2):
        store.policies.add(name=f"number {number}", kind="sft", base="starter", parent_id=number - 1 or None)
    store.reward_models.add(name="judge", base="starter", adapter="nowhere")
    with gr.Blocks():
        return RunsPage(store, gr.Button().click)


def opened(page: RunsPage, given: dict | None = None) -> dict:
    """Open the page with these values of fields; return the values and choices of the fields after that."""
    values = dict.fromkeys(page.model_fields(), "") | (given or {})
    updates = page.open_page(values)
    return {block: updates[block] for block in page.model_fields()}


def test_empty_fields_show_the_models_they_stand_for(page):
    fields, after = page.forms["ppo"].fields, opened(page)
    assert (after[fields["from"]].value, after[fields["reward"]].value) == ("p2", "r1")
    assert after[fields["from"]].choices == [("p2, newest", "p2"), ("p1", "p1")]
    assert after[page.forms["sft"].fields["from"]].choices[0] == ("p1, first", "p1")
    assert after[page.forms["compare"].fields["against"]].choices[0] == ("p1, parent", "p1")


def test_a_default_follows_a_newer_policy_and_a_choice_stays(page, store):
    ppo, dpo = (page.forms[kind].fields["from"] for kind in ("ppo", "dpo"))
    before = opened(page)
    store.policies.add(name="newer", kind="sft", base="starter", parent_id=1)
    given = {ppo: "p2", dpo: "p1", page.defaults: before[page.defaults]}
    after = opened(page, given)
    assert after[ppo].value == "p3"  # it held the default
    assert after[dpo].value == "p1"  # it held a choice


def test_another_run_like_this_has_the_models_that_the_run_used(page, store):
    run = store.runs.enqueue("ppo", {"from": "p1", "reward": "r1"}, "rae")
    updates = page.copy_settings(run.public)
    assert updates[page.forms["ppo"].fields["from"]] == "p1"

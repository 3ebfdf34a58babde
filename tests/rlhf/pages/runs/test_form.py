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


def test_a_setting_with_choices_of_its_own_keeps_them_beside_the_lists_of_models(page):
    """PPO's `guard` names a model, a reward training's says whether it makes one."""
    guards = {kind: page.forms[kind].fields["guard"] for kind in ("ppo", "reward")}
    after = opened(page)
    assert ("none", "none") in after[guards["ppo"]].choices
    assert guards["reward"] not in page.model_fields()
    assert [value for _, value in guards["reward"].choices] == ["auto", "yes", "no"]


def test_another_run_like_this_has_the_models_that_the_run_used(page, store):
    run = store.runs.enqueue("ppo", {"from": "p1", "reward": "r1"}, "rae")
    updates = page.copy_settings(run.public)
    assert updates[page.forms["ppo"].fields["from"]] == "p1"


def test_a_preset_fills_and_marks_its_settings_and_the_standard_takes_the_marks_away(page):
    form = page.forms["ppo"]
    updates, steps, size = form.fill("quick"), form.fields["max_steps"], form.fields["batch_size"]
    assert [(updates[field].value, updates[field].elem_classes) for field in (steps, size)] == [
        (9, ["changed"]),
        (64, ["changed"]),
    ]
    assert updates[form.more].open  # batch_size stands in the fold
    assert "max steps 9 instead of 36, batch size 64 instead of 128" in updates[form.presets.line]
    back = form.fill("standard")
    assert (back[steps].value, back[steps].elem_classes, back[form.presets.line]) == (36, [], "")
    assert set(back) | set(updates) <= {*form._filled()}


def test_the_time_shown_follows_the_settings(page, store):
    form = page.forms["best-of-n"]
    store.prompts.add("Say hi.", source="test")
    store.runs.enqueue("best-of-n", {"validation_prompts": 64, "n": 8}, "rae")
    with store.transaction():
        run = store.runs.claim()
        store.runs.finish(run.id, "done")
        hour = "started_at = '2026-01-01T10:00:00.000000+00:00', ended_at = '2026-01-01T11:00:00.000000+00:00'"
        store.execute(f"UPDATE runs SET {hour} WHERE id = ?", [run.id])
    given = {key: field.value for key, field in form.fields.items()}
    assert "About 60 min with these settings" in form.outlook(given)
    assert "About 8 min with these settings" in form.outlook(given | {"n": 4, "validation_prompts": 16})  # an eighth
    assert "took 60 min" in form.outlook()
    assert "took 60 min" in form.outlook(given | {"n": "many"})  # a field that cannot be read

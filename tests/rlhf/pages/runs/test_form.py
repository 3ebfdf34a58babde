# SPDX-License-Identifier: Apache-2.0
"""The forms of the Runs page show which policy and reward model an empty field means, and follow the store."""

from __future__ import annotations

import gradio as gr
import pytest

from data import Store
from data.errors import BadInput
from labeling.accounts.current import acting_as
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
    values = dict.fromkeys(page.panel.model_fields(), "") | (given or {})
    updates = page.open_page(values)
    return {block: updates[block] for block in page.panel.model_fields() - {page.panel.kind}}


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
    given = {ppo: "p2", dpo: "p1", page.panel.defaults: before[page.panel.defaults]}
    after = opened(page, given)
    assert after[ppo].value == "p3"  # it held the default
    assert after[dpo].value == "p1"  # it held a choice


def test_a_setting_with_choices_of_its_own_keeps_them_beside_the_lists_of_models(page):
    """PPO's `guard` names a model, a reward training's says whether it makes one."""
    guards = {kind: page.forms[kind].fields["guard"] for kind in ("ppo", "reward")}
    after = opened(page)
    assert ("none", "none") in after[guards["ppo"]].choices
    assert guards["reward"] not in page.panel.model_fields()
    assert [value for _, value in guards["reward"].choices] == ["auto", "yes", "no"]


def test_another_run_like_this_has_the_models_that_the_run_used(page, store):
    run = store.runs.enqueue("ppo", {"from": "p1", "reward": "r1"}, "rae")
    updates = page.copy_settings(run.public)
    assert updates[page.forms["ppo"].fields["from"]]["value"] == "p1"


def test_another_run_like_this_marks_what_differs_from_the_defaults_and_opens_its_folds(page, store):
    settings = {"from": "p1", "max_steps": 36, "batch_size": 64, "dtype": "float16"}  # 36 is the default
    run = store.runs.enqueue("ppo", settings, "rae")
    updates, fields = page.copy_settings(run.public), page.forms["ppo"].fields
    marked = [key for key, field in fields.items() if field in updates and updates[field]["elem_classes"]]
    assert marked == ["estimator", "batch_size", "dtype"]  # an earlier version had no estimator but gae
    assert "estimator, batch size, dtype" in updates[page.status]
    assert (updates[page.forms["ppo"].more].open, updates[page.panel.fold].open) == (True, True)


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
    assert set(back) | set(updates) <= {*form.filled_parts()}


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


def all_fields(page: RunsPage, kind: str, **changed: object) -> dict:
    """Return the values of all fields with this kind's tab on the screen, some of its fields changed."""
    forms, panel = page.forms.values(), page.panel
    values = {field: field.value for form in forms for field in form.fields.values()}
    values |= {form.presets.choice: form.presets.choice.value for form in forms if form.presets}
    return values | {panel.kind: kind} | {page.forms[kind].fields[key]: value for key, value in changed.items()}


def test_start_queues_a_run_of_the_kind_on_the_screen_with_the_shared_settings(page, store):
    store.prompts.add("Say hi.", source="test")
    panel, given = page.panel, all_fields(page, "sample", dtype="float32", prompts=3)
    with acting_as(store.accounts.add("rae", "researcher")):
        updates = panel.start_run(given, page.chosen)
    [run] = store.runs.all()
    assert (run.kind, run.settings["dtype"], run.settings["prompts"]) == ("sample", "float32", 3)
    assert updates[page.chosen] == "run1"


def test_a_kind_shows_those_of_the_shared_settings_that_it_has(page):
    panel = page.panel
    assert panel.forms["sft"].fields["device"] is panel.forms["ppo"].fields["device"] is panel.machine["device"]
    sample, simulate = (panel.show_kind(all_fields(page, kind)) for kind in ("sample", "simulate"))
    assert sample[panel.machine["device"]].visible
    assert not sample[panel.machine["optimizer"]].visible  # a sampling run optimizes nothing
    assert (sample[panel.fold].visible, simulate[panel.fold].visible) == (True, False)
    assert simulate[panel.start].value == "Start: Simulated labelers"
    assert set(sample) == {*panel.kind_parts(), panel.memory_line, panel.needs}


def test_a_preset_changes_the_kind_on_the_screen_alone(page):
    panel, given = page.panel, all_fields(page, "sft")
    changed = panel.fill(given | {page.forms["sft"].presets.choice: "quick"})
    assert set(changed) <= {*page.forms["sft"].filled_parts()}
    assert page.forms["sft"].fields["epochs"] in changed


def test_an_unknown_kind_from_a_browser_is_refused(page):
    with pytest.raises(BadInput, match="Load the page again"):
        page.panel.show_estimate(all_fields(page, "sft") | {page.panel.kind: "everything"})

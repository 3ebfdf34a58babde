# SPDX-License-Identifier: Apache-2.0
"""The page Reward: its cards, its table and its form."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import gradio as gr
import pytest

from data.errors import BadInput
from labeling.accounts.current import acting_as
from reward.page import RewardPage
from reward.report import view
from reward.report.build import ScoredComparison, build_report
from reward.report.left_out import EQUAL

ROWS = [
    ScoredComparison(n, f"prompt <b>{n}</b>", "kind <i>answer</i>", "no", score, 0.0, 1.0, 1 + n % 3)
    for n, score in enumerate((1.5, 0.7, -2.0, 3.0))
]


@pytest.fixture
def models(store):
    """Two reward models: one with test labels, one without."""
    return [
        store.reward_models.add(name="first", base="b", adapter="a", report=build_report(ROWS)),
        store.reward_models.add(name="second", base="b", adapter="a", report=build_report([])),
    ]


def page_of(store, enqueue=None):
    with gr.Blocks():
        return RewardPage(store, gr.Button().click, enqueue)


def test_a_card_shows_accuracy_beside_what_it_is_read_against(models):
    card = view.card_html(models[0])
    assert "too few to say (4)" in card
    assert "Baseline: longer answer preferred" in card


def test_a_model_without_test_labels_says_so_and_shows_no_accuracy(models):
    card = view.card_html(models[1])
    assert "accuracy is not known" in card
    assert "Accuracy on test prompts" not in card


def test_a_card_counts_the_comparisons_that_were_left_out_by_reason(models):
    model = replace(models[0], report={"left_out": {EQUAL: 11, "refused by the chat template: no": 2}})
    assert f"11 {EQUAL}; 2 refused by the chat template: no" in view.card_html(model)
    assert "left out" not in view.card_html(replace(models[0], report={"left_out": {}}))


def test_texts_of_people_and_models_hold_no_markup(models):
    shown = view.disagreements_html(models[0], {})
    assert "&lt;b&gt;2&lt;/b&gt;" in shown
    assert "<i>" not in shown


def test_a_setting_with_choices_is_a_list_of_them(store):
    field = page_of(store).fields["method"]
    assert isinstance(field, gr.Dropdown)
    assert ([value for _, value in field.choices], field.value) == (["auto", "heads", "lora"], "auto")


def test_without_reward_models_the_page_says_which_step_fills_it():
    assert "/label/" in view.cards_html([], {})


def test_only_the_page_on_the_screen_is_drawn_and_only_when_a_model_came(store, models):
    page = page_of(store)
    updates = page.refresh("", "", "")
    assert updates[page.cards].index("r2") < updates[page.cards].index("r1")
    assert updates[page.choice].value == "r2"
    assert page.refresh("", updates[page.seen], updates[page.shown]) == gr.skip()


def test_looking_closer_shows_plots_the_table_and_the_disagreements(store, models):
    page = page_of(store)
    updates = page.show("r1")
    assert updates[page.closer].count("<svg") == 3
    assert updates[page.groups].visible
    assert "prompt &lt;b&gt;2" in updates[page.worst]


def test_looking_closer_at_a_model_without_test_labels_says_what_fills_it(store, models):
    page = page_of(store)
    updates = page.show("r2")
    assert "/label/" in updates[page.closer]
    assert (updates[page.groups].visible, updates[page.worst]) == (False, "")


def test_the_table_holds_every_group_with_its_interval(models):
    rows = {(kind, name): rest for kind, name, *rest in view.group_rows(models[0], {})}
    assert [name for kind, name in rows if kind == "strength of preference"] == ["slightly", "clearly", "significantly"]
    number, prompts, accuracy, low, high = rows["side of the better answer", "left"]
    assert (number, prompts, accuracy) == (4, 4, 75.0)
    assert low < 75 < high


def test_labelers_of_a_report_have_their_names_on_the_page(models):
    one = {"comparisons": 3, "prompts": 2, "accuracy": 0.5, "ci": [0.1, 0.9]}
    report = {"by_labeler": [{"labeler": "labeler-7", **one}, {"labeler": "labeler-8", **one}]}
    rows = view.group_rows(replace(models[0], report=report), {"labeler-7": "mina"})
    assert [(kind, name) for kind, name, *_ in rows] == [("labeler", "mina"), ("labeler", "labeler-8")]


def test_the_report_downloads_as_the_json_that_is_stored(models):
    data = re.search(r"base64,([^']+)", view.download_link(models[0]))[1]
    assert json.loads(base64.b64decode(data)) == models[0].report


def test_the_form_queues_a_run_and_trains_nothing(store):
    mina = store.accounts.add("mina", "researcher")
    page = page_of(store, lambda settings, by: store.runs.enqueue("reward", settings, by))
    with acting_as(mina):
        text = page.submit({field: field.value for field in page.fields.values()})
    (run,) = store.runs.all()
    assert run.public in text
    assert (run.state, run.created_by, run.settings["learning_rate"]) == ("queued", "mina", 0.001)


def test_a_refused_form_says_why(store):
    def refuse(settings, by):
        raise BadInput("there are no comparisons", "Label some.")

    mina = store.accounts.add("mina", "researcher")
    page = page_of(store, refuse)
    with acting_as(mina):
        assert "Label some." in page.submit({field: field.value for field in page.fields.values()})


def test_the_form_offers_the_policies_newest_first_also_those_that_came_later(store, models):
    page = page_of(store)
    store.policies.add(name="base", kind="base", base="b")
    first = page.refresh("", "", "")
    start = page.fields["from"]
    assert first[start].choices == [("", ""), ("p1", "p1")]
    store.policies.add(name="tuned", kind="sft", base="b", adapter="a", parent_id=1)
    then = page.refresh("", first[page.seen], first[page.shown])
    assert [name for name, _ in then[start].choices] == ["", "p2", "p1"]
    assert set(then) == {page.seen, start}


def test_a_page_links_to_a_page_where_the_command_line_has_a_command():
    problem = BadInput(
        "there is no <reward model> yet", "Train one first: preference-loop train reward", field="reward"
    )
    assert (
        view.error_html(problem)
        == "there is no &lt;reward model&gt; yet. Train one first: <a href='#reward'>Reward</a>"
    )
    assert (
        view.error_html(BadInput("no prompts", "Import some: preference-loop import FILE --as prompts"))
        == "no prompts. Import some with the command import"
    )
    assert "<a href='#runs'>Runs</a>" in view.error_html(
        BadInput("no pair waits", "Sample answers first: preference-loop sample --policy P --prompts N")
    )


def test_a_command_that_no_page_stands_for_stays_a_command():
    problem = BadInput(
        "run1 left no checkpoint", "Start another one: preference-loop sample --endpoint URL --model NAME"
    )
    assert (
        view.error_html(problem)
        == "<a class=id href='#runs/run1'>run1</a> left no checkpoint. Start another one: preference-loop sample --endpoint URL --model NAME"
    )


def test_a_refusal_names_the_field_where_the_error_does_not():
    shown = view.error_html(BadInput("-1 is too small", "Give 1 or more.", field="epochs"))
    assert shown == "-1 is too small (field &#x27;epochs&#x27;). Give 1 or more."

# SPDX-License-Identifier: Apache-2.0
"""The Live page states figures with denominators, warns when the run goes wrong, and starts, stops and resumes it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import gradio as gr
import pytest

from data.tables.process_identity import identify_process
from labeling.accounts.current import acting_as
from labeling.texts.reader import writing_in
from rlhf.online.outlook import Forecast, Verdict
from rlhf.pages.live.page import LivePage
from rlhf.pages.live.state import read_state
from rlhf.pages.live.view import BAD, draw_figures, draw_published, draw_run, draw_verdict
from tests.support.data.online_answers import OnlineRunRows


@pytest.fixture
def live(unsupervised):
    """The page over a home with prompts and a policy, whose runs nobody starts."""
    account = unsupervised.accounts.add("rae", "researcher")
    with gr.Blocks():
        page = LivePage(unsupervised, gr.Button().click)
    with acting_as(account):
        yield page


@pytest.fixture
def rows(unsupervised):
    return OnlineRunRows(unsupervised).start()


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


def shown(page: LivePage, updates: dict) -> list[bool]:
    """Return whether the form, Stop and Resume are visible."""
    return [updates[part].visible for part in (page.form, page.stop, page.resume)]


def test_without_a_run_the_page_says_what_online_learning_is_and_offers_to_start_it(live):
    drawn = live.refresh("")
    for part in ("trains a reward model and a policy while people label", "Use it while", "It needs a policy"):
        assert part in words(drawn[live.run])
    assert shown(live, drawn) == [True, False, False]
    assert drawn[live.fields["from"]].value == "p1"
    assert live.refresh(drawn[live.seen]) == gr.skip()


def test_start_queues_a_run_once_and_stop_takes_it_from_the_queue(live):
    started = live.start_run("p1", "person", 300)
    (run,) = live.store.runs.all()
    assert [run.settings[key] for key in ("from", "labels", "max_labels")] == ["p1", "person", 300]
    assert (run.kind, run.created_by) == ("online", "rae")
    assert "run1 is queued" in words(started[live.status])
    assert "href='#runs/run1'" in started[live.run]
    assert shown(live, started) == [False, True, False]
    assert "at work already" in words(live.start_run("p1", "person", 300)[live.status])
    stopped = live.stop_run()
    assert "removed from the queue" in words(stopped[live.status])
    assert [live.store.runs.get(1).state, len(live.store.runs.all())] == ["cancelled", 1]
    assert shown(live, stopped) == [True, False, False]  # without a checkpoint there is nothing to resume


def test_settings_that_do_not_fit_are_refused_in_place_and_the_form_stays(live):
    refused = live.start_run("p9", "person", 0)
    assert list(refused) == [live.refused]  # below the form's button
    assert "class='said bad'" in refused[live.refused]
    assert live.store.runs.all() == []


def test_a_working_run_is_asked_to_stop_and_an_ended_one_with_a_checkpoint_is_resumed(live):
    live.start_run("p1", "person", 0)
    live.store.runs.start(1, *identify_process())
    stopping = live.stop_run()
    assert "publishes its policy and stops" in words(stopping[live.status])
    assert live.store.runs.get(1).cancel_requested
    live.store.runs.finish(1, "cancelled")
    (live.store.home / "runs" / "1" / "checkpoint" / "checkpoint-1").mkdir(parents=True)
    assert shown(live, live.refresh("")) == [True, False, True]
    resumed = live.resume_run()
    assert "run2 continues from run1" in words(resumed[live.status])
    assert live.store.runs.get(2).resumes == 1
    assert "is queued and cannot be resumed" in words(live.resume_run()[live.status])


def test_the_choice_of_a_policy_stays_while_labels_come(live, rows):
    live.store.runs.finish(rows.run.id, "done")
    seen = live.refresh("")[live.seen]
    rows.answer_all("l")
    drawn = live.refresh(seen)
    assert live.fields["from"] not in drawn
    live.store.policies.add(name="other", kind="base", base="b")
    assert live.fields["from"] in live.refresh(drawn[live.seen])


def test_each_share_has_its_interval_and_its_denominator(live, rows):
    rows.answer_all("lllllllllllrrrrttttt", "start")
    figures = words(draw_figures(read_state(live.store, rows.run)))
    # 11 wins and 5 ties of 20 are 13.5 / 20. Wilson: (0.675 + 0.096 ± 1.96 sqrt(0.0110 + 0.0024)) / 1.192
    assert "68 % (46–84) of 20" in figures
    assert "Accuracy of the reward model –" in figures
    assert "20 of the last 20" in figures
    assert "Labelers at work 1" in figures


def test_the_newest_versions_and_published_policies_have_win_rates_of_their_own(live, rows):
    assert draw_published(read_state(live.store, rows.run)) == ""
    rows.answer_all("r" * 12, "start", version=1)
    rows.publish(1)
    rows.answer_all("l" * 50, "start", version=5)
    rows.publish(5)
    rows.answer_all("r", "start", version=6)
    state = read_state(live.store, rows.run)
    figures, published = words(draw_figures(state)), words(draw_published(state))
    assert "Win rate of all versions 79 % (68–88) of 63" in figures  # 50 of 63
    assert "Win rate of the newest versions 98 % (90–100) of 50" in figures  # 49 of 50
    assert "about versions 5 to 6" in figures
    newest, before = state.published
    assert f"{newest.policy} 100 % (93–100) of 50 {before.policy} 0 % (0–24) of 12" in published
    assert f"href='#policies/{newest.policy}'" in draw_published(state)
    with writing_in("ko"):
        assert "버전 5부터 6까지" in draw_figures(state)


def test_every_verdict_is_a_sentence_and_the_bad_ones_are_warnings_with_a_next_step(live, rows):
    state = read_state(live.store, rows.run)
    drawn = {verdict: draw_verdict(replace(state, verdict=verdict)) for verdict in get_args(Verdict)}
    assert {verdict for verdict, html in drawn.items() if "warning" in html} == set(BAD)
    assert all(drawn[verdict].count("<p>") == 1 for verdict in BAD)
    assert "0 of 20" in drawn["too_few"]
    with writing_in("ko"):
        assert draw_verdict(replace(state, verdict="getting_worse")) != drawn["getting_worse"]


def test_a_run_without_a_fault_is_called_better_than_its_start_only_if_the_interval_says_so(live, rows):
    state = replace(read_state(live.store, rows.run), verdict="learning")
    assert "No gain is certain yet" in draw_verdict(state)
    rows.answer_all("l" * 20)
    state = read_state(live.store, rows.run)
    assert state.verdict == "learning"
    assert "The policy is better than its start." in draw_verdict(state)


def test_the_forecast_states_labels_and_the_time_if_there_is_a_pace(live, rows):
    state = read_state(live.store, rows.run)
    assert "label" not in draw_verdict(replace(state, verdict="learning"))
    timed = draw_verdict(replace(state, forecast=Forecast(1345, 13.0)))
    assert "About 1,345 more labels, 13.0 h at the present pace, until the win rate is known" in timed
    assert "No label came in the last hour." in draw_verdict(replace(state, forecast=Forecast(1345, None)))


def test_the_note_and_the_error_of_a_run_are_texts(live, rows):
    live.store.runs.progress(rows.run.id, 1, 8, "<b>9 labels")
    state = read_state(live.store, live.store.runs.get(rows.run.id))
    assert "&lt;b&gt;9 labels" in draw_run(state)
    assert "sources person+import" in draw_run(state)
    live.store.runs.finish(rows.run.id, "failed", error="<i>no memory")
    assert "&lt;i&gt;no memory" in draw_run(read_state(live.store, live.store.runs.get(rows.run.id)))

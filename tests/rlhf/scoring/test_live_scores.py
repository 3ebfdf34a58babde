# SPDX-License-Identifier: Apache-2.0
"""New test comparisons are scored in a process of its own, and cards, Loop and commands show the accuracy."""

from __future__ import annotations

import json
import os
import sys

import gradio as gr
import pytest

import app
from data import Store
from data.intervals import wilson_interval
from data.views.live_comparisons import live_comparisons, unscored_comparisons
from reward.model import RewardModel
from reward.page import RewardPage
from reward.report.live import live_accuracy
from reward.settings import RewardSettings
from reward.training.run import run
from rlhf.pages.loop import draw_live
from rlhf.runs.supervisor import Supervisor
from rlhf.scoring.scorer import LiveScorer
from rlhf.scoring.worker import score_until_idle
from tests.support.labeled_notes import BAD, GOOD, context_of, fill
from tests.support.labeling.later_labels import add_test_pairs, judge

ANSWERS = GOOD.format(1), BAD.format(1)
LABELS, WRONG = 12, 3
"""Comparisons after the training, and those of them that prefer the answer which the model likes less."""


@pytest.fixture
def trained(home, base_folder) -> Store:
    """A home with r1, whose 12 later test comparisons agree with it in 9 cases; a thirteenth is a tie."""
    store = fill(Store(home), base_folder)
    context = context_of(store, RewardSettings())
    store.runs.claim()
    run(context, RewardSettings())
    store.runs.finish(context.run.id, "done")
    for number, pair in enumerate(add_test_pairs(store, LABELS + 1, ANSWERS)):
        judge(store, pair, "" if number == LABELS else ANSWERS[number < WRONG])
    return store


def test_the_accuracy_since_the_training_equals_a_count_by_hand_and_the_report_stays(trained):
    model = trained.reward_models.get(1)
    assert live_accuracy(trained, model) is None
    score_until_idle(trained)
    scores = RewardModel.load(trained.home / model.adapter).score(["Name tree number 1."] * 2, list(ANSWERS))
    assert scores[0] > scores[1]
    live = live_accuracy(trained, model)
    assert (live.accuracy, live.comparisons) == ((LABELS - WRONG) / LABELS, LABELS)
    assert live.interval == pytest.approx(wilson_interval(LABELS - WRONG, LABELS), abs=0.05)  # a prompt each
    assert trained.reward_models.get(1).report == model.report
    assert unscored_comparisons(trained, model, 100) == []


def test_pages_and_commands_show_it_with_its_interval_and_number(trained, capsys):
    score_until_idle(trained)
    shown = live_accuracy(trained, trained.reward_models.get(1)).shown
    assert shown.startswith("75 % (")
    assert shown.endswith(f"of {LABELS}")
    with gr.Blocks():
        page = RewardPage(trained, gr.Button().click, None)
    drawn = page.refresh("", "", "")
    assert f"Accuracy since training</span><br>{shown}" in drawn[page.cards]
    assert f"since its training: {shown}." in draw_live(trained, "r1")
    (pair,) = add_test_pairs(trained, LABELS + 2, ANSWERS)[-1:]
    judge(trained, pair, ANSWERS[0])
    assert page.cards in page.refresh("", drawn[page.seen], "r1")
    assert app.main(["reward", "show", "r1", "--home", str(trained.home), "--json"]) == 0
    since = json.loads(capsys.readouterr().out)["reward_models"][0]["since_training"]
    assert (since["accuracy"], since["comparisons"]) == (0.75, LABELS)
    assert app.main(["reward", "show", "--home", str(trained.home)]) == 0
    assert f"since training {shown}" in capsys.readouterr().out


def test_an_answer_that_the_model_cannot_read_is_tried_once(trained, monkeypatch):
    monkeypatch.setattr("reward.training.rows.RowEncoder.encode", lambda encoder, rows: [])
    score_until_idle(trained)
    assert unscored_comparisons(trained, trained.reward_models.get(1), 100) == []
    assert live_comparisons(trained, trained.reward_models.get(1)) == []


def test_a_model_whose_base_is_gone_does_not_keep_the_others_from_scoring(trained, capsys):
    trained.reward_models.add(name="lost", base="/nowhere", adapter="rewards/r2")
    (pair,) = add_test_pairs(trained, LABELS + 2, ANSWERS)[-1:]
    judge(trained, pair, ANSWERS[0])
    assert not score_until_idle(trained)
    assert capsys.readouterr().out.startswith("r2: ")
    assert live_accuracy(trained, trained.reward_models.get(1)).comparisons == LABELS + 1


def test_nothing_is_scored_while_a_run_needs_the_machine(unread):
    unread.runs.enqueue("ppo", {}, "rae")
    score_until_idle(unread)
    assert unread.reward_scores.newest() is None


@pytest.fixture
def unread(store) -> Store:
    """A home with a reward model that has read none of two new answers."""
    store.reward_models.add(name="m", base="b", adapter="a")
    judge(store, *add_test_pairs(store, 1, ANSWERS), ANSWERS[0])
    return store


def make_scorer(store: Store, code: str) -> LiveScorer:
    scorer = LiveScorer(store, dict(os.environ))
    scorer.command = lambda home: [sys.executable, "-c", code]
    return scorer


def test_the_process_starts_if_comparisons_wait_and_no_run_works(unread):
    scorer = make_scorer(unread, "pass")
    assert not scorer.step(busy=True)
    assert scorer.step(busy=False)
    scorer.child.wait()
    assert not scorer.step(busy=False)  # it looks again some seconds later
    scorer._due = 0.0
    assert scorer.step(busy=False)  # this process scored nothing
    scorer.child.wait()


def test_a_process_that_failed_is_not_started_again_at_once(unread):
    scorer = make_scorer(unread, "raise SystemExit(1)")
    assert scorer.step(busy=False)
    scorer.child.wait()
    scorer._due = 0.0
    assert not scorer.step(busy=False)


def test_without_new_comparisons_no_process_starts(store):
    scorer = make_scorer(store, "raise SystemExit(1)")
    assert not scorer.step(busy=False)
    scorer._due = 0.0
    assert not scorer.step(busy=False)


def test_the_supervisor_scores_new_comparisons_in_a_process_of_its_own(trained):
    supervisor = Supervisor(trained.home)
    assert supervisor.step()
    assert supervisor.scorer.child.wait(timeout=120) == 0, (trained.home / "scoring.log").read_text()
    assert live_accuracy(trained, trained.reward_models.get(1)).comparisons == LABELS
    assert not supervisor.step()

# SPDX-License-Identifier: Apache-2.0
"""Simulated labelers as a run: recorded and marked, counted, stopped between two commits, refused before it is queued."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import parse_settings
from labeling import simulate as labeling_simulate
from labeling.simulate import count_waiting
from rlhf.kinds import KINDS
from rlhf.methods import simulate
from rlhf.methods.simulate import SimulateSettings
from rlhf.runs.launch import launch
from rlhf.runs.worker import work

COLOUR = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}


@pytest.fixture
def pairs(unsupervised):
    """A home with 12 pairs of prompts that the rubric covers; no run starts by itself."""
    add_pairs(unsupervised, 12)
    return unsupervised


def add_pairs(store, count):
    """Add so many pairs of new prompts that the rubric covers."""
    before = store.pairs.count()
    for number in range(before, before + count):
        prompt = store.prompts.add(f"Colour of snow, {number}?", source="test", family="colour", facts=COLOUR)
        ids = store.completions.add_many(
            {"prompt_id": prompt.id, "model_name": text, "text": text, "number": 0} for text in ("It is white.", "no")
        )
        store.pairs.add(prompt.id, *ids)


def do(store, **settings):
    """Queue the run and do it here; return its row."""
    run = launch(store, "simulate", settings, by="rae")
    store.runs.claim()
    work(store, store.runs.get(run.id), KINDS["simulate"])
    return store.runs.get(run.id)


def test_every_waiting_pair_gets_one_answer_that_is_marked_as_simulated(pairs):
    run = do(pairs)
    assert (run.state, run.report["labels"], run.done, run.total) == ("done", 12, 12, 12)
    assert (pairs.comparisons.count("simulated"), pairs.comparisons.count()) == (12, 12)
    assert {account.name for account in pairs.accounts.all()} == {"sim-1", "sim-2", "sim-3", "sim-4"}


def test_the_asked_number_of_pairs_is_answered_and_the_rest_waits(pairs):
    run = do(pairs, labels=5)
    assert (run.report["labels"], run.total) == (5, 5)
    assert count_waiting(pairs, 200) == (7, True)


def test_labelers_wait_for_the_pairs_of_a_sampling_run_and_answer_those_of_its_last_moment(pairs, monkeypatch):
    sampling = launch(pairs, "sample", {}, by="rae")
    pairs.runs.claim()

    def bring_pairs(seconds):
        add_pairs(pairs, 3)
        if pairs.pairs.count() == 18:
            pairs.runs.finish(sampling.id, "done")

    monkeypatch.setattr(simulate, "time", SimpleNamespace(sleep=bring_pairs))
    simulation = launch(pairs, "simulate", {"labels": 200}, by="rae")
    pairs.runs.claim(beside=("simulate",))
    work(pairs, pairs.runs.get(simulation.id), KINDS["simulate"])
    assert pairs.runs.get(simulation.id).report["labels"] == 18


def test_with_two_labelers_for_each_pair_the_report_has_their_agreement(pairs):
    run = do(pairs, overlap=2, agreement=0.7)
    assert run.report["labels"] == 24
    assert 0 <= run.report["agreement"] <= 1


def test_a_run_that_is_asked_to_stop_keeps_what_it_recorded(pairs, monkeypatch):
    monkeypatch.setattr(labeling_simulate, "ROUNDS", 1)  # one answer of each labeler between two commits
    run = pairs.runs.enqueue("simulate", {}, "rae")
    context = RunContext(pairs, pairs.runs.claim())
    monkeypatch.setattr(context, "cancelled", lambda: pairs.comparisons.count() >= 4)
    with pytest.raises(Cancelled):
        KINDS["simulate"].runner()(context, parse_settings(SimulateSettings, {}))
    assert pairs.comparisons.count("simulated") == 4
    assert pairs.runs.get(run.id).done <= 4


def test_without_a_waiting_pair_nothing_is_queued(unsupervised):
    with pytest.raises(BadInput, match="no pairs or rankings are waiting") as refused:
        launch(unsupervised, "simulate", {}, by="rae")
    assert refused.value.remedy == "Sample answers first: preference-loop sample"
    assert unsupervised.runs.all() == []


def test_pairs_of_prompts_without_a_rubric_are_left_to_people(pairs):
    prompt = pairs.prompts.all(split="train", source="test")[0]
    assert prompt.facts is None
    pairs.pairs.add(
        prompt.id,
        *pairs.completions.add_many(
            {"prompt_id": prompt.id, "model_name": text, "text": text, "number": 0} for text in ("a", "b")
        ),
    )
    with pytest.raises(BadInput, match="starter's prompts alone"):
        launch(pairs, "simulate", {}, by="rae")
    assert pairs.runs.all() == []

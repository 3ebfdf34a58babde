# SPDX-License-Identifier: Apache-2.0
"""The learning curve of a real run: real store and trainer, a random two-layer base, a few steps each."""

from __future__ import annotations

import math

import pytest
import torch

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict
from reward.base.adapters import read_adapter
from reward.base.frozen_base import Base
from reward.report.plots import curve as draw_curve
from reward.settings import RewardSettings
from reward.training.run import run
from tests.support.tiny_model import make_tiny_model

PLAIN = RewardSettings(learning_rate=1e-2, max_steps=2, batch_size=8, rank=4)
CURVE = PLAIN.model_copy(update={"curve": True})
LABELERS = ("mina", "theo")


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    """A store with 120 prompts, each with two answers and one label; two labelers."""
    store = Store(tmp_path_factory.mktemp("home"))
    folder = make_tiny_model("llama", tmp_path_factory.mktemp("base"))
    base, policy = Base.load(folder), store.policies.add(name="base", kind="base", base=str(folder))
    people = [store.accounts.add(name, "labeler") for name in LABELERS]
    with store.transaction():
        for number in range(120):
            label(store, base, policy, people[number % 2], number)
    yield store
    store.close()


def label(store, base, policy, labeler, number):
    prompt = store.prompts.add(f"Write note number {number} to Mina.", source="test")
    rows = [
        {
            "prompt_id": prompt.id,
            "policy_id": policy.id,
            "text": text,
            "token_ids": base.encode_completion(text),
            "number": place,
            "ended": True,
        }
        for place, text in enumerate((f"Thank you, Mina {number}.", f"no {number}"))
    ]
    good, bad = store.completions.add_many(rows)
    pair = store.pairs.add(prompt.id, good, bad)
    store.comparisons.record(
        id=f"c{number}",
        pair_id=pair.id,
        labeler_id=labeler.id,
        left_id=good,
        right_id=bad,
        verdict="left" if number % 5 else "right_slightly",
        source="import",
    )


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("reward", as_dict(settings), "test", **about))


@pytest.fixture(scope="module")
def finished(labeled):
    return run(context_of(labeled, CURVE), CURVE)


def test_the_curve_has_a_point_for_each_part_of_the_labels_and_one_for_all(finished):
    report = finished.report
    trained_on, curve = report["trained_on"], report["learning_curve"]
    assert [point["labels"] for point in curve["points"]] == [math.ceil(trained_on / parts) for parts in (8, 4, 2, 1)]
    assert curve["points"][-1]["accuracy"] == pytest.approx(report["accuracy"])
    assert all(point["ci"][0] <= point["accuracy"] <= point["ci"][1] for point in curve["points"])
    assert curve["forecast"] or "no forecast" in curve["note"]


def test_the_curve_changes_nothing_about_the_model_and_is_no_part_of_its_metrics(labeled, finished):
    context = context_of(labeled, PLAIN)
    plain = run(context, PLAIN)
    one, two = (
        read_adapter(labeled.home / labeled.reward_models.get(result.produced[0]).adapter)[1]
        for result in (finished, plain)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert "stand_in" not in finished.report["learning_curve"]
    assert finished.report["accuracy"] == plain.report["accuracy"]
    trained = labeled.reward_models.get(finished.produced[0]).run_id, context.run.id
    with_curve, without = (len(labeled.metrics.series(id, "loss")) for id in trained)
    assert with_curve == without


def test_without_its_own_curve_lora_has_that_of_heads_marked_as_a_stand_in(labeled, monkeypatch):
    report = run(context_of(labeled, PLAIN), PLAIN).report
    curve = report["learning_curve"]
    assert curve["stand_in"] == "heads"
    sizes = [math.ceil(report["trained_on"] / parts) for parts in (8, 4, 2, 1)]
    assert [point["labels"] for point in curve["points"]] == sizes
    assert "linear heads instead of LoRA" in draw_curve(report)

    def refuse(*_: object) -> None:
        raise BadInput("no room")

    monkeypatch.setattr("reward.training.run.read_rows", refuse)
    assert "learning_curve" not in run(context_of(labeled, PLAIN), PLAIN).report


def test_the_report_tells_the_labelers_apart_by_pseudonym_and_what_the_temperature_was_fitted_on(labeled, finished):
    report = finished.report
    assert {one["labeler"] for one in report["by_labeler"]} == {
        f"labeler-{labeled.accounts.by_name(name).id}" for name in LABELERS
    }
    assert sum(one["comparisons"] for one in report["by_labeler"]) == report["test_comparisons"]
    assert "validation prompts" in report["temperature_fitted_on"]


def test_a_run_cancelled_within_its_curve_goes_on_exactly(labeled, finished, monkeypatch):
    first = context_of(labeled, CURVE)
    monkeypatch.setattr(
        first, "cancelled", lambda: len(list((first.folder / "checkpoint").glob("curve-*/adapter"))) == 2
    )
    with pytest.raises(Cancelled):
        run(first, CURVE)
    again = run(context_of(labeled, CURVE, resumes=first.run.id), CURVE)
    assert again.report["learning_curve"] == finished.report["learning_curve"]

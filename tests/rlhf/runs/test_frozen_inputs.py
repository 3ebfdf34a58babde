# SPDX-License-Identifier: Apache-2.0
"""A run uses the prompts, rows and ratings of the moment when it was queued, whatever is added before it works."""

from __future__ import annotations

import pytest

from data.run_context import RunContext
from data.settings import parse_settings
from data.store import Store
from rlhf.common import locks
from rlhf.kinds import find_kind
from rlhf.runs.launch import launch
from tests.support.tiny_home import make_clinic_home, make_judged_home
from tests.support.tiny_model import make_tiny_model

TINY = {"max_new_tokens": 4, "batch_size": 8}
RED = {"family": "colour", "key": "blood", "answer": "red", "name": "Mina"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"), context=160)


def report_of(store: Store, kind: str, settings: dict, change) -> dict:
    """Queue a run, change the store, work, and return the report."""
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        run = launch(store, kind, settings, by="rae")
    change()
    definition = find_kind(kind)
    parsed = parse_settings(definition.settings_class(), run.settings)
    report = definition.runner()(RunContext(store, run), parsed).report
    store.runs.finish(store.runs.claim().id, "done", report=report)
    return report


def add_prompts(store: Store) -> None:
    """Add 60 late prompts that every judge knows."""
    first = store.prompts.last_id()
    store.prompts.add_many(
        {"text": f"Colour of blood, {first + number}?", "source": "late", "facts": RED} for number in range(60)
    )


def count(store: Store, split: str) -> int:
    """Count the prompts of a split that the rubric knows, before the late ones."""
    return sum(bool(prompt.facts) for prompt in store.prompts.all(split=split))


def test_a_comparison_and_trials_use_the_test_prompts_of_the_queue(home, model):
    store = make_clinic_home(home, model, rows=12)
    known = count(store, "test")
    trial = {**TINY, "steps": 1, "draws": 2}
    curve = report_of(store, "quantity", {**trial, "counts": (4,)}, lambda: add_prompts(store))
    assert {point["prompts"] for point in curve["curve"]} == {known}
    assert count(store, "test") > known

    earlier = count(store, "test")
    snapshot = store.snapshots.all()[0].public
    sides = report_of(store, "ab", {**trial, "a": snapshot}, lambda: add_prompts(store))
    assert sides["prompts"] == earlier < count(store, "test")

    earlier = count(store, "test")
    pair = {"policies": "p2", "best_of": 0}
    compared = report_of(store, "compare", {**TINY, **pair}, lambda: add_prompts(store))
    assert compared["evaluations"][0]["prompts"] == earlier < count(store, "test")


def test_best_of_n_and_sampling_use_the_prompts_of_the_queue(home, model):
    store = make_judged_home(home, model)
    validation = store.prompts.count("validation")
    best = report_of(store, "best-of-n", {**TINY, "n": 2}, lambda: add_prompts(store))
    assert best["prompts"] == validation < store.prompts.count("validation")

    train = store.prompts.count("train")
    settings = {**TINY, "prompts": 1000, "per_prompt": 2, "split": "train"}
    assert report_of(store, "sample", settings, lambda: add_prompts(store))["prompts"] == train
    assert store.prompts.count("train") > train


def test_an_examination_and_a_recipe_use_the_rows_and_ratings_of_the_queue(home, model):
    store = make_clinic_home(home, model, rows=40)
    rows = len(store.instructions.all(split="train"))

    def add_rows() -> None:
        store.instructions.add_many(
            {"instruction": f"Sing {number}.", "input": "", "output": "La.", "source": "late"} for number in range(20)
        )

    examined = report_of(store, "embed", {"clusters": 2}, add_rows)
    assert examined["rows"] == rows < len(store.instructions.all(split="train"))

    before = store.ratings.current("person")

    def rate_again() -> None:
        first = before[0]
        store.ratings.add("changed", first.instruction_id, first.labeler_id, 3)
        other = store.accounts.add("other", "labeler")
        store.ratings.add("late", before[1].instruction_id, other.id, 1)

    curated = report_of(store, "curate", {"rows": 4, "min_quality": 2.5}, rate_again)
    assert curated["quality"]["ratings"] == len(before) < len(store.ratings.current("person"))
    assert store.ratings.current("person", before_change(store)) == before


def before_change(store: Store) -> int:
    """Return the number of the newest rating before the two that came late."""
    return store.ratings.last_number() - 2

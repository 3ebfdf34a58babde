# SPDX-License-Identifier: Apache-2.0
"""Runs of the clinic on a tiny model: examine, curate with lineage, trials by number of rows and A against B."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.run_context import RunContext
from data.transfer.importing import import_file
from data.views.frozen_rows import load_instructions
from rlhf.clinic import curate, embed
from rlhf.clinic.checks import CHECKS
from rlhf.clinic.examination import Examination, find_examination
from rlhf.clinic.settings import ABSettings, CurateSettings, EmbedSettings, QuantitySettings
from rlhf.clinic.trials import run_ab, run_quantity
from rlhf.pages.clinic_map import draw_examined
from tests.support.data.import_rows import write
from tests.support.tiny_home import make_clinic_home, make_tiny_home
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"))


def context_of(store, kind, settings=None):
    return RunContext(store, store.runs.enqueue(kind, settings or {}, "test"))


def test_rows_are_examined_and_curated_with_their_lineage(home, model):
    store = make_clinic_home(home, model)
    context = context_of(store, "embed")
    report = embed.run(context, EmbedSettings(clusters=3)).report
    store.runs.finish(store.runs.claim().id, "done", report=report)
    loaded = Examination.load(context.folder)
    train = store.instructions.all(split="train")
    assert report["rows"] == len(loaded.ids) == len(train) == len(loaded.map)
    assert find_examination(store) == context.run.id

    done = curate.run(context_of(store, "curate"), CurateSettings(rows=6, min_quality=2.5, name="six"))
    snapshot = store.snapshots.get(done.produced[0])
    rows = load_instructions(store, snapshot.public)
    assert (snapshot.name, len(rows), snapshot.filters["examination"]) == ("six", 6, context.run.public)
    assert all(store.instructions.get(row["id"]).defects == [] for row in rows)
    assert snapshot.filters["quality"]["rated_rows"] == len(store.ratings.current("person"))
    assert done.report["quality"]["defects"]["auc"]["rude"] > 0.9
    assert "Dear" in done.report["quality"]["best"][0]["answer"]
    assert done.report["quality"]["worst"][0]["answer"].startswith("no.")


def test_a_recipe_without_examination_or_ratings_is_refused(home, model):
    store = make_tiny_home(home, model, people=False)
    store.instructions.add_many({"instruction": f"Say {n}.", "output": "Yes.", "source": "test"} for n in range(12))
    with pytest.raises(BadInput, match="have not been examined"):
        CHECKS["recipe"](store, CurateSettings())
    context = context_of(store, "embed")
    store.runs.finish(store.runs.claim().id, "done", report=embed.run(context, EmbedSettings(clusters=2)).report)
    with pytest.raises(BadInput, match="there are none"):
        CHECKS["recipe"](store, CurateSettings())
    random = curate.run(context_of(store, "curate"), CurateSettings(rows=3, min_quality=0, pick="random"))
    assert store.snapshots.get(random.produced[0]).row_count == 3


def test_a_recipe_takes_no_row_that_was_retracted_after_its_examination(home, model, tmp_path):
    store = make_tiny_home(home, model, people=False)
    rows = [{"instruction": f"Say {n}.", "output": "Yes."} for n in range(12)]
    import_file(store, write(tmp_path / "say.jsonl", rows), "instructions")
    context = context_of(store, "embed")
    store.runs.finish(store.runs.claim().id, "done", report=embed.run(context, EmbedSettings(clusters=2)).report)
    examined = Examination.load(context.folder).ids
    store.retractions.retract("instruction", [str(examined[0])], by="rae")
    with pytest.raises(BadInput, match=f"1 of {len(examined)} examined rows are retracted"):
        curate.run(context_of(store, "curate"), CurateSettings(rows=3, min_quality=0, pick="random"))
    assert "Say" in draw_examined(store, context.run, "cluster")[0]  # the map still shows them all


def test_nested_subsets_train_for_equal_steps_and_are_published_with_their_rows(home, model):
    store = make_clinic_home(home, model, rows=30)
    context = context_of(store, "quantity")
    about = {"steps": 2, "prompts": 3, "draws": 2, "batch_size": 2, "max_new_tokens": 4}
    done = run_quantity(context, QuantitySettings(counts=(4, 8, 4000), **about))
    everything = len(store.instructions.all(split="train"))
    assert [point["rows"] for point in done.report["curve"]] == [4, 8, everything]
    assert done.report["flat_from"] in (4, 8, everything)
    small, larger, _ = (store.snapshots.rows(store.policies.get(id).snapshot_id) for id in done.produced)
    assert larger[:4] == small
    assert all(store.policies.get(id).config["max_steps"] == 2 for id in done.produced)

    half = store.snapshots.freeze("instructions", larger, {}, "eight")
    trial = run_ab(context_of(store, "ab"), ABSettings(a=half.public, **about))
    result = trial.report
    assert trial.produced == [result["b"]["policy"]]
    assert (result["a"]["rows"], result["b"]["rows"]) == (8, everything)
    assert (
        result["a"]["policy"] == done.produced[1]
    )  # the eight nested rows, trained by the same settings from the same start
    first, second = (store.policies.get(result[side]["policy"]) for side in "ab")
    assert store.evaluations.latest(first.id, second.id, "rubric").report["win_rate"] == result["win_rate"]


def test_a_against_itself_is_refused(home, model):
    store = make_clinic_home(home, model, rows=10)
    with pytest.raises(BadInput, match="the same rows"):
        CHECKS["rows"](store, ABSettings())

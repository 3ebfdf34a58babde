# SPDX-License-Identifier: Apache-2.0
"""The data clinic on a tiny model: what reading finds against a hand computation, quality from ratings, recipes that keep their lineage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from data.errors import BadInput
from data.run_context import RunContext
from data.views.frozen_rows import load_instructions
from reward.base.frozen_base import Base
from rlhf.clinic import curate, embed
from rlhf.clinic.checks import CHECKS
from rlhf.clinic.examination import Examination, find_examination
from rlhf.clinic.findings import rater_agreement, rater_agreement_by_source, score_against_defects
from rlhf.clinic.plateau import plateau_start
from rlhf.clinic.quality import QualityFeatures, RatedRows, fit_quality_model
from rlhf.clinic.reading import LOSSES, encode_row, loss_summary, read_rows
from rlhf.clinic.settings import ABSettings, CurateSettings, EmbedSettings, QuantitySettings
from rlhf.clinic.trials import run_ab, run_quantity
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"))


def losses_by_hand(base: Base, prompt: list[int], answer: list[int]) -> list[float]:
    """One forward pass of the bare model without padding, and -log p of each token of the answer."""
    with torch.no_grad():
        logits = base.causal(input_ids=torch.tensor([prompt + answer])).logits[0].double()
    logps = logits.log_softmax(-1)
    return [-logps[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer)]


def test_ifd_is_the_loss_after_the_instruction_over_the_loss_after_an_empty_one(model):
    base = Base.load(model)
    rows = [
        encode_row(base, "Thank Mina.", "", "Dear Mina, thank you."),
        encode_row(base, "Name two animals, please.", "wild", "A fox."),
    ]
    reading = read_rows(base, rows, batch_size=2, on_progress=lambda done: None)
    for row, losses in zip(rows, reading.losses, strict=True):
        after, alone = (
            losses_by_hand(base, row.prompt, row.answer),
            losses_by_hand(base, base.encoding.encode_template(""), row.answer),
        )
        found = dict(zip(LOSSES, losses, strict=True))
        assert found["ifd"] == pytest.approx(np.mean(after) / np.mean(alone), rel=1e-4)
        assert found["loss"] == pytest.approx(np.mean(after), rel=1e-4)
        assert found["end_loss"] == pytest.approx(after[-1], rel=1e-4)


def test_vectors_are_means_of_hidden_states_whatever_stands_in_the_batch(model):
    base = Base.load(model)
    row = encode_row(base, "Thank Mina.", "", "Dear Mina.")
    other = encode_row(
        base, "A much longer instruction that pads the batch.", "", "And a much longer answer to it, too."
    )
    ids, mask = base.collate([row.prompt + row.answer])
    with torch.no_grad():
        states = base.hidden(ids, mask)[0]
    reading = read_rows(base, [other, row], batch_size=2, on_progress=lambda done: None)
    np.testing.assert_allclose(reading.instructions[1], states[: len(row.prompt)].mean(0), atol=1e-5)
    np.testing.assert_allclose(reading.answers[1], states[len(row.prompt) :].mean(0), atol=1e-5)


def test_a_row_longer_than_the_context_is_cut_and_keeps_its_answers_beginning(model):
    base = Base.load(model)
    row = encode_row(base, "word " * 400, "", "many words " * 400)
    assert len(row.prompt) + len(row.answer) <= base.context
    assert row.answer == base.encode_completion("many words " * 400)[: len(row.answer)]
    assert len(row.prompt) >= base.context // 4


def test_the_summary_of_losses_is_worked_out():
    assert loss_summary(np.array([1.0, 3.0]), np.array([4.0, 4.0])).tolist() == [2.0, 4.0, 0.5, 2.0, 3.0, 3.0, -1.0]


def test_a_curve_is_flat_from_the_fewest_rows_that_none_beats():
    rng = np.random.default_rng(0)
    luck = rng.random(400)
    outcomes = {count: (luck < rate).astype(float) for count, rate in ((10, 0.3), (20, 0.6), (40, 0.61), (80, 0.6))}
    assert plateau_start(outcomes) == 20
    assert plateau_start({10: np.ones(5), 20: np.ones(5)}) == 10


def quality_features(columns: np.ndarray, vectors: np.ndarray | None = None) -> QualityFeatures:
    """Rows whose answers say nothing, and whose vectors say nothing unless they are given."""
    return QualityFeatures(
        columns, np.zeros((len(columns), 2)) if vectors is None else vectors, [f"text {n}" for n in range(len(columns))]
    )


def rated(count: int = 60) -> RatedRows:
    columns = np.random.default_rng(1).normal(size=(count, 4))
    return RatedRows(quality_features(columns), np.clip(2.5 + 2 * columns[:, 0], 0, 5), np.arange(count) // 2)


def test_quality_is_learned_and_what_it_says_of_unseen_ratings_is_told():
    quality, held_out = fit_quality_model(rated(), seed=0)
    fresh = np.random.default_rng(2).normal(size=(50, 4))
    points = quality.predict(quality_features(fresh))
    assert np.corrcoef(points, fresh[:, 0])[0, 1] > 0.8
    assert np.corrcoef(held_out, rated().scores)[0, 1] > 0.6
    assert 0 <= points.min() <= points.max() <= 5


def test_a_rare_defect_in_one_column_is_seen_beside_a_hundred_numbers_that_say_nothing():
    """One row in ten says a sentence twice, which costs two of five points; raters err by one point."""
    rng = np.random.default_rng(0)
    repeats = rng.random(1000) < 0.1
    rows = quality_features(np.column_stack([repeats, rng.normal(size=(1000, 9))]), rng.normal(size=(1000, 100)))
    scores = np.clip(4 - 2 * repeats[:200] + rng.normal(size=200), 0, 5)
    quality, _ = fit_quality_model(RatedRows(rows.at(np.arange(200)), scores, np.arange(200)))
    points = quality.predict(rows)[200:]
    assert roc_auc_score(~repeats[200:], points) > 0.95


def test_a_row_unlike_any_rated_one_is_no_better_than_those_at_the_edge():
    """Scores rise with the one column up to 2.6; a row a thousand times as far out is read as one at three deviations."""
    given = rated()
    quality, _ = fit_quality_model(given)
    edge = given.features.columns.mean(axis=0) + 3 * given.features.columns.std(axis=0)
    far = np.vstack([edge, 1000 * edge])
    assert quality.predictors.columns.predict(far)[0] == pytest.approx(quality.predictors.columns.predict(far)[1])


def test_ratings_that_are_few_or_all_alike_are_refused():
    with pytest.raises(BadInput, match="10 rated rows are too few"):
        fit_quality_model(rated(10))
    with pytest.raises(BadInput, match="every rated row has 3 points"):
        fit_quality_model(replace(rated(), scores=np.full(60, 3.0)))


def test_the_filter_is_measured_against_marked_defects():
    found = score_against_defects(
        np.array([4.0, 3.0, 2.0, 1.0, 5.0]), [[], [], ["rude"], ["rude", "wrong"], ["wrong"]], limit=2.5
    )
    assert found["auc"] == {"rude": 1.0, "wrong": 0.5}  # rude: 4 of 4 pairs in order; wrong (1 and 5): 2 of 4
    assert found["alone"] == {"rude": 1.0, "wrong": 0.0}
    assert (found["precision"], found["recall"], found["macro_auc"]) == (1.0, pytest.approx(2 / 3), 0.75)
    assert score_against_defects(np.ones(2), [[], []], 1.0) is None


def test_raters_agree_where_both_find_a_row_usable_or_both_do_not():
    assert rater_agreement([[3, 5], [2, 3], [4]], 3.0)["rate"] == 0.5


def test_people_and_simulated_raters_never_meet_in_one_agreement():
    """Row 1: two people agree, a simulated rater does not. Row 2: one of each. Row 3: two simulated raters disagree."""
    rows = [
        [("person", 4), ("simulated", 0), ("person", 5)],
        [("person", 1), ("simulated", 5)],
        [("simulated", 4), ("simulated", 1)],
    ]
    found = rater_agreement_by_source(rows, 3.0)
    assert {source: (one["rows"], one["rate"]) for source, one in found.items()} == {
        "person": (1, 1.0),
        "simulated": (1, 0.0),
    }
    assert rater_agreement_by_source([[("person", 4)]], 3.0) == {"person": {"rows": 0, "rate": None}}


def clinic_home(home, model, rows=60):
    """Rows of two manners in the train split, each rated by how it is written, and a test prompt that the rubric knows."""
    store = make_tiny_home(home, model, people=False)
    for number in range(rows):
        kind = "Dear Mina, thank you so much." if number % 2 else "no. no. no"
        store.instructions.add(
            f"Thank Mina for thing {number}.", f"{kind} {number}", source="test", defects=[] if number % 2 else ["rude"]
        )
    facts = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}
    store.prompts.add_many(
        {"text": f"Colour of snow, {n}?", "source": "test", "family": "colour", "facts": facts} for n in range(40)
    )
    rater = store.accounts.add("lab", "labeler")
    while (waiting := store.ratings.next_row(rater.id)) is not None and store.ratings.count_by(rater.id) < 30:
        store.ratings.add(
            f"rating-{waiting}", waiting, rater.id, 0 if "rude" in store.instructions.get(waiting).defects else 5
        )
    return store


def started(store, kind, settings=None):
    return RunContext(store, store.runs.enqueue(kind, settings or {}, "test"))


def test_rows_are_looked_at_chosen_and_their_lineage_is_kept(home, model):
    store = clinic_home(home, model)
    context = started(store, "embed")
    report = embed.run(context, EmbedSettings(clusters=3)).report
    store.runs.finish(store.runs.claim().id, "done", report=report)
    found = Examination.load(context.folder)
    train = store.instructions.all(split="train")
    assert report["rows"] == len(found.ids) == len(train) == len(found.map)
    assert find_examination(store) == context.run.id

    done = curate.run(started(store, "curate"), CurateSettings(rows=6, min_quality=2.5, name="six"))
    snapshot = store.snapshots.get(done.produced[0])
    rows = load_instructions(store, snapshot.public)
    assert (snapshot.name, len(rows), snapshot.filters["examination"]) == ("six", 6, context.run.public)
    assert all(store.instructions.get(row["id"]).defects == [] for row in rows)
    assert snapshot.filters["quality"]["rated_rows"] == len(store.ratings.current("person"))
    assert done.report["quality"]["defects"]["auc"]["rude"] > 0.9
    assert "Dear" in done.report["quality"]["best"][0]["answer"]
    assert done.report["quality"]["worst"][0]["answer"].startswith("no.")


def test_a_recipe_without_the_ratings_it_needs_says_what_is_missing(home, model):
    store = make_tiny_home(home, model, people=False)
    store.instructions.add_many({"instruction": f"Say {n}.", "output": "Yes.", "source": "test"} for n in range(12))
    with pytest.raises(BadInput, match="have not been examined"):
        CHECKS["recipe"](store, CurateSettings())
    context = started(store, "embed")
    store.runs.finish(store.runs.claim().id, "done", report=embed.run(context, EmbedSettings(clusters=2)).report)
    with pytest.raises(BadInput, match="there are none"):
        CHECKS["recipe"](store, CurateSettings())
    random = curate.run(started(store, "curate"), CurateSettings(rows=3, min_quality=0, pick="random"))
    assert store.snapshots.get(random.produced[0]).row_count == 3


def test_nested_subsets_are_trained_equally_long_and_published_with_their_rows(home, model):
    store = clinic_home(home, model, rows=30)
    context = started(store, "quantity")
    about = {"steps": 2, "prompts": 3, "draws": 2, "batch_size": 2, "max_new_tokens": 4}
    done = run_quantity(context, QuantitySettings(counts=(4, 8, 4000), **about))
    everything = len(store.instructions.all(split="train"))
    assert [point["rows"] for point in done.report["curve"]] == [4, 8, everything]
    assert done.report["flat_from"] in (4, 8, everything)
    small, larger, _ = (store.snapshots.rows(store.policies.get(id).snapshot_id) for id in done.produced)
    assert larger[:4] == small
    assert all(store.policies.get(id).config["max_steps"] == 2 for id in done.produced)

    half = store.snapshots.freeze("instructions", larger, {}, "eight")
    tried = run_ab(started(store, "ab"), ABSettings(a=half.public, **about))
    result = tried.report
    assert tried.produced == [result["b"]["policy"]]
    assert (result["a"]["rows"], result["b"]["rows"]) == (8, everything)
    assert (
        result["a"]["policy"] == done.produced[1]
    )  # the eight nested rows, trained by the same settings from the same start
    first, second = (store.policies.get(result[side]["policy"]) for side in "ab")
    assert store.evaluations.latest(first.id, second.id, "rubric").report["win_rate"] == result["win_rate"]


def test_a_against_itself_is_refused(home, model):
    store = clinic_home(home, model, rows=10)
    with pytest.raises(BadInput, match="the same rows"):
        CHECKS["rows"](store, ABSettings())

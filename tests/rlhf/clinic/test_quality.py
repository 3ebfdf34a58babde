# SPDX-License-Identifier: Apache-2.0
"""The quality model, its figures against ratings and defects, and the plateau of a curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data.errors import BadInput
from rlhf.clinic.findings import rater_agreement, rater_agreement_by_source, score_against_defects
from rlhf.clinic.plateau import plateau_start
from rlhf.clinic.quality import QualityFeatures, RatedRows, fit_quality_model


def test_the_plateau_starts_at_the_fewest_rows_that_no_larger_number_beats():
    rng = np.random.default_rng(0)
    luck = rng.random(400)
    outcomes = {count: (luck < rate).astype(float) for count, rate in ((10, 0.3), (20, 0.6), (40, 0.61), (80, 0.6))}
    assert plateau_start(outcomes) == 20
    assert plateau_start({10: np.ones(5), 20: np.ones(5)}) == 10


def quality_features(columns: np.ndarray, vectors: np.ndarray | None = None) -> QualityFeatures:
    """Return features with these columns; answers, and vectors if none are given, carry no information."""
    return QualityFeatures(
        columns, np.zeros((len(columns), 2)) if vectors is None else vectors, [f"text {n}" for n in range(len(columns))]
    )


def rated(count: int = 60) -> RatedRows:
    columns = np.random.default_rng(1).normal(size=(count, 4))
    return RatedRows(quality_features(columns), np.clip(2.5 + 2 * columns[:, 0], 0, 5), np.arange(count) // 2)


def test_the_quality_model_predicts_unseen_rows_and_held_out_ratings():
    quality, held_out = fit_quality_model(rated(), seed=0)
    fresh = np.random.default_rng(2).normal(size=(50, 4))
    points = quality.predict(quality_features(fresh))
    assert np.corrcoef(points, fresh[:, 0])[0, 1] > 0.8
    assert np.corrcoef(held_out, rated().scores)[0, 1] > 0.6
    assert 0 <= points.min() <= points.max() <= 5


def test_a_rare_defect_in_one_column_is_found_among_a_hundred_random_numbers():
    """One row in ten says a sentence twice, which costs two of five points; raters err by one point."""
    rng = np.random.default_rng(0)
    repeats = rng.random(1000) < 0.1
    rows = quality_features(np.column_stack([repeats, rng.normal(size=(1000, 9))]), rng.normal(size=(1000, 100)))
    scores = np.clip(4 - 2 * repeats[:200] + rng.normal(size=200), 0, 5)
    quality, _ = fit_quality_model(RatedRows(rows.at(np.arange(200)), scores, np.arange(200)))
    points = quality.predict(rows)[200:]
    assert roc_auc_score(~repeats[200:], points) > 0.95


def test_a_row_far_outside_the_rated_ones_counts_as_one_at_the_edge():
    """Scores rise with the one column up to 2.6; a row a thousand times as far out is read as one at three deviations."""
    given = rated()
    quality, _ = fit_quality_model(given)
    edge = given.features.columns.mean(axis=0) + 3 * given.features.columns.std(axis=0)
    far = np.vstack([edge, 1000 * edge])
    assert quality.predictors.columns.predict(far)[0] == pytest.approx(quality.predictors.columns.predict(far)[1])


def test_too_few_or_equal_ratings_are_refused():
    with pytest.raises(BadInput, match="10 rated rows are too few"):
        fit_quality_model(rated(10))
    with pytest.raises(BadInput, match="every rated row has 3 points"):
        fit_quality_model(replace(rated(), scores=np.full(60, 3.0)))


def test_quality_is_scored_against_marked_defects():
    figures = score_against_defects(
        np.array([4.0, 3.0, 2.0, 1.0, 5.0]), [[], [], ["rude"], ["rude", "wrong"], ["wrong"]], limit=2.5
    )
    assert figures["auc"] == {"rude": 1.0, "wrong": 0.5}  # rude: 4 of 4 pairs in order; wrong (1 and 5): 2 of 4
    assert figures["alone"] == {"rude": 1.0, "wrong": 0.0}
    assert (figures["precision"], figures["recall"], figures["macro_auc"]) == (1.0, pytest.approx(2 / 3), 0.75)
    assert score_against_defects(np.ones(2), [[], []], 1.0) is None


def test_raters_agree_if_both_or_neither_find_a_row_usable():
    assert rater_agreement([[3, 5], [2, 3], [4]], 3.0)["rate"] == 0.5


def test_agreement_never_mixes_people_and_simulated_raters():
    """Row 1: two people agree, a simulated rater does not. Row 2: one of each. Row 3: two simulated raters disagree."""
    rows = [
        [("person", 4), ("simulated", 0), ("person", 5)],
        [("person", 1), ("simulated", 5)],
        [("simulated", 4), ("simulated", 1)],
    ]
    figures = rater_agreement_by_source(rows, 3.0)
    assert {source: (agreement["rows"], agreement["rate"]) for source, agreement in figures.items()} == {
        "person": (1, 1.0),
        "simulated": (1, 0.0),
    }
    assert rater_agreement_by_source([[("person", 4)]], 3.0) == {"person": {"rows": 0, "rate": None}}

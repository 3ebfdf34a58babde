# SPDX-License-Identifier: Apache-2.0
"""A small model of quality that predicts a row's rating from few ratings.

It combines three predictors: extremely randomised trees on the columns and the answer's vector; a ridge regression on
the columns alone; and a ridge regression on character n-grams of the answer (TF-IDF), which detects tone. Their
weights are fitted on cross-validated predictions; all ratings of one instruction share a fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from labeling.texts.pages import bad_input

PREDICTORS = ("trees", "columns", "letters")
TREES, FOLDS = 300, 5
PENALTIES = np.logspace(0, 4, 13)
"""Ridge penalties to choose from, by leave-one-out error."""
FARTHEST = 3.0
"""Columns are clipped at this many standard deviations from the rated rows' mean."""
FEWEST = 20
"""Least number of ratings from which a model is learned."""


@dataclass(frozen=True, slots=True)
class QualityFeatures:
    """Inputs of the quality model for N rows: columns (N, C), the answers' vectors (N, D) and the answers."""

    columns: np.ndarray
    vectors: np.ndarray
    texts: Sequence[str]

    def at(self, places: np.ndarray) -> QualityFeatures:
        """Return the features of the rows at these indices."""
        return QualityFeatures(self.columns[places], self.vectors[places], [self.texts[place] for place in places])

    def both(self) -> np.ndarray:
        """Return columns and vectors side by side, (N, C + D)."""
        return np.hstack([self.columns, self.vectors])


@dataclass(frozen=True, slots=True)
class RatedRows:
    """R rated rows: their features, mean scores (R,) and the prompt id of each (R,)."""

    features: QualityFeatures
    scores: np.ndarray
    prompts: np.ndarray


class QualityModel:
    """The fitted predictors and their weights. Create it with `fit_quality_model`."""

    def __init__(self, rated: RatedRows, weights: np.ndarray, seed: int) -> None:
        self.predictors = _Predictors(rated.features, rated.scores, seed)
        self.weights = weights

    def predict(self, features: QualityFeatures) -> np.ndarray:
        """Predict points (N,) between 0 and 5."""
        return _blend(self.predictors.points(features), self.weights)


class _Predictors:
    """The predictors named in PREDICTORS, in that order, fitted on rows and scores."""

    def __init__(self, features: QualityFeatures, scores: np.ndarray, seed: int) -> None:
        trees = ExtraTreesRegressor(TREES, min_samples_leaf=3, max_features=0.4, random_state=seed)
        clip = FunctionTransformer(np.clip, kw_args={"a_min": -FARTHEST, "a_max": FARTHEST})
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        self.trees = trees.fit(features.both(), scores)
        self.columns = make_pipeline(StandardScaler(), clip, RidgeCV(PENALTIES)).fit(features.columns, scores)
        self.letters = make_pipeline(letters, Ridge()).fit(features.texts, scores)

    def points(self, features: QualityFeatures) -> np.ndarray:
        """Return each predictor's points and a constant, (N, 4)."""
        predictions = (
            self.trees.predict(features.both()),
            self.columns.predict(features.columns),
            self.letters.predict(features.texts),
        )
        return np.column_stack([*predictions, np.ones(len(features.texts))])


def fit_quality_model(rated: RatedRows, seed: int = 0) -> tuple[QualityModel, np.ndarray]:
    """Return the fitted model, and cross-validated predictions of the ratings (R,).

    Raises BadInput for fewer than 20 ratings, or for ratings that are all equal.
    """
    scores = rated.scores
    if len(scores) < FEWEST or len(np.unique(rated.prompts)) < FOLDS:
        raise bad_input("need.more_ratings", count=len(scores), fewest=FEWEST)
    if np.ptp(scores) == 0:
        raise bad_input("need.other_ratings", points=scores[0])
    parts = np.zeros((len(scores), len(PREDICTORS) + 1))
    folds = np.zeros(len(scores), dtype=int)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (seen, unseen) in enumerate(splitter.split(parts, groups=rated.prompts)):
        parts[unseen] = _Predictors(rated.features.at(seen), scores[seen], seed).points(rated.features.at(unseen))
        folds[unseen] = number
    held_out = np.zeros(len(scores))
    for number in range(FOLDS):
        others = folds != number
        held_out[~others] = _blend(parts[~others], _weights(parts[others], scores[others]))
    return QualityModel(rated, _weights(parts, scores), seed), held_out


def _weights(parts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return least-squares weights: non-negative for the predictors, of either sign for the constant."""
    solution, _ = nnls(np.column_stack([parts, -parts[:, -1]]), scores)
    return np.append(solution[:-2], solution[-2] - solution[-1])


def _blend(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.clip(parts @ weights, 0.0, 5.0)

"""A small model of quality: what raters would say of a row, learned from few ratings.

Three readers are blended: random trees on the columns and on the answer's vector, which tell form and fit; a ridge regression on the columns
alone, which tells what costs the same wherever it stands, such as a sentence said twice; and one on runs of letters of the answer (TF-IDF),
which tells tone from words. How much each counts is learned from their predictions of ratings they have not seen, all ratings of one
instruction on one side.
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

from data.errors import BadInput

READERS = ("trees", "columns", "letters")
TREES, FOLDS = 300, 5
PENALTIES = np.logspace(0, 4, 13)
"""Of the ridge on columns; the one that errs least on ratings left out one at a time is taken."""
FARTHEST = 3.0
"""Standard deviations from the mean of the rated rows: a line says nothing of what lies beyond."""
FEWEST = 20
"""Ratings without which no model is learned."""


@dataclass(frozen=True, slots=True)
class QualityFeatures:
    """What quality is read from, of N rows: columns (N, C), the answers' vectors (N, D) and the answers."""

    columns: np.ndarray
    vectors: np.ndarray
    texts: Sequence[str]

    def at(self, places: np.ndarray) -> QualityFeatures:
        """Those at these places."""
        return QualityFeatures(self.columns[places], self.vectors[places], [self.texts[place] for place in places])

    def both(self) -> np.ndarray:
        """Columns and vectors, (N, C + D)."""
        return np.hstack([self.columns, self.vectors])


@dataclass(frozen=True, slots=True)
class RatedRows:
    """R rated rows: their looks, mean scores (R,) and the prompt each belongs to (R,)."""

    features: QualityFeatures
    scores: np.ndarray
    prompts: np.ndarray


class QualityModel:
    """The readers and their weights. Make it with `learn`."""

    def __init__(self, rated: RatedRows, weights: np.ndarray, seed: int) -> None:
        self.readers = _Readers(rated.features, rated.scores, seed)
        self.weights = weights

    def predict(self, features: QualityFeatures) -> np.ndarray:
        """Points (N,) between 0 and 5."""
        return _blend(self.readers.read(features), self.weights)


class _Readers:
    """Those of READERS, in their order, each fitted on rows and scores."""

    def __init__(self, features: QualityFeatures, scores: np.ndarray, seed: int) -> None:
        trees = ExtraTreesRegressor(TREES, min_samples_leaf=3, max_features=0.4, random_state=seed)
        near = FunctionTransformer(np.clip, kw_args={"a_min": -FARTHEST, "a_max": FARTHEST})
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        self.trees = trees.fit(features.both(), scores)
        self.columns = make_pipeline(StandardScaler(), near, RidgeCV(PENALTIES)).fit(features.columns, scores)
        self.letters = make_pipeline(letters, Ridge()).fit(features.texts, scores)

    def read(self, features: QualityFeatures) -> np.ndarray:
        """(N, 4): what each reader says, and a constant."""
        said = (
            self.trees.predict(features.both()),
            self.columns.predict(features.columns),
            self.letters.predict(features.texts),
        )
        return np.column_stack([*said, np.ones(len(features.texts))])


def fit_quality_model(rated: RatedRows, seed: int = 0) -> tuple[QualityModel, np.ndarray]:
    """The model, and for each rating what one that had not seen its instruction said of it (R,).

    Raises BadInput for fewer than 20 ratings, or ratings that are all the same.
    """
    scores = rated.scores
    if len(scores) < FEWEST or len(np.unique(rated.prompts)) < FOLDS:
        raise BadInput(f"{len(scores)} rated rows are too few to learn from", f"Rate at least {FEWEST}: /label/rate")
    if np.ptp(scores) == 0:
        raise BadInput(f"every rated row got {scores[0]:g}", "Rate more rows: good and bad ones are needed.")
    parts = np.zeros((len(scores), len(READERS) + 1))
    folds = np.zeros(len(scores), dtype=int)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (seen, unseen) in enumerate(splitter.split(parts, groups=rated.prompts)):
        parts[unseen] = _Readers(rated.features.at(seen), scores[seen], seed).read(rated.features.at(unseen))
        folds[unseen] = number
    held_out = np.zeros(len(scores))
    for number in range(FOLDS):
        others = folds != number
        held_out[~others] = _blend(parts[~others], _weights(parts[others], scores[others]))
    return QualityModel(rated, _weights(parts, scores), seed), held_out


def _weights(parts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Non-negative weights of the readers and a constant of either sign, by least squares."""
    found, _ = nnls(np.column_stack([parts, -parts[:, -1]]), scores)
    return np.append(found[:-2], found[-2] - found[-1])


def _blend(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.clip(parts @ weights, 0.0, 5.0)

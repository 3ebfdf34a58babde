"""A small model of quality: what raters would say of a row, learned from few ratings.

Two readers are blended: random trees on the columns and on the answer's vector, which tell form and fit, and a ridge regression on runs of
letters of the answer (TF-IDF), which tells tone from words. How much each counts is learned from their predictions of ratings they have not
seen, all ratings of one instruction on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from data.errors import BadInput

TREES, FOLDS = 300, 5
FEWEST = 20
"""Ratings without which no model is learned."""


@dataclass(frozen=True, slots=True)
class Rated:
    """R rated rows: columns with vectors (R, C), answers, mean scores (R,) and the prompt each belongs to (R,)."""

    columns: np.ndarray
    texts: Sequence[str]
    scores: np.ndarray
    prompts: np.ndarray

    def at(self, places: np.ndarray) -> Rated:
        """Those at these places."""
        return Rated(self.columns[places], [self.texts[place] for place in places], self.scores[places], self.prompts[places])


class Quality:
    """The two readers and their weights. Make it with `learn`."""

    def __init__(self, rated: Rated, weights: np.ndarray, seed: int) -> None:
        self.trees, self.letters = _fit(rated, seed)
        self.weights = weights

    def predict(self, columns: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Points (N,) between 0 and 5."""
        return _blend(_predict(self.trees, self.letters, columns, texts), self.weights)


def learn(rated: Rated, seed: int = 0) -> tuple[Quality, np.ndarray]:
    """The model, and for each rating what one that had not seen its instruction said of it (R,).

    Raises BadInput for fewer than 20 ratings, or ratings that are all the same.
    """
    count = len(np.unique(rated.prompts))
    if len(rated.scores) < FEWEST or count < FOLDS:
        raise BadInput(f"{len(rated.scores)} rated rows are too few to learn from", f"Rate at least {FEWEST}: /label/rate")
    if np.ptp(rated.scores) == 0:
        raise BadInput(f"every rated row got {rated.scores[0]:g}", "Rate more rows: good and bad ones are needed.")
    parts = np.zeros((len(rated.scores), 3))
    folds = np.zeros(len(rated.scores), dtype=int)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (seen, unseen) in enumerate(splitter.split(parts, groups=rated.prompts)):
        there = rated.at(unseen)
        parts[unseen] = _predict(*_fit(rated.at(seen), seed), there.columns, there.texts)
        folds[unseen] = number
    held_out = np.zeros(len(rated.scores))
    for number in range(FOLDS):
        others = folds != number
        held_out[~others] = _blend(parts[~others], _weights(parts[others], rated.scores[others]))
    return Quality(rated, _weights(parts, rated.scores), seed), held_out


def _fit(rated: Rated, seed: int) -> tuple[ExtraTreesRegressor, object]:
    trees = ExtraTreesRegressor(TREES, min_samples_leaf=3, max_features=0.4, random_state=seed).fit(rated.columns, rated.scores)
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    return trees, make_pipeline(vectorizer, Ridge()).fit(rated.texts, rated.scores)


def _predict(trees: ExtraTreesRegressor, letters: object, columns: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """(N, 3): what each reader says, and a constant."""
    return np.column_stack([trees.predict(columns), letters.predict(list(texts)), np.ones(len(columns))])


def _weights(parts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Non-negative weights of the readers and a constant of either sign, by least squares."""
    both = np.column_stack([parts, -parts[:, 2]])
    found, _ = nnls(both, scores)
    return np.array([found[0], found[1], found[2] - found[3]])


def _blend(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.clip(parts @ weights, 0.0, 5.0)

# SPDX-License-Identifier: Apache-2.0
"""Weights of labelers, fitted to their comparisons and stored as versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.store import Store
from data.tables.comparison_columns import current_mask
from data.tables.labeler_weights import LabelerWeight, Weighting
from data.tables.verdicts import SOURCES
from labeling.quality.reliability import fit
from labeling.quality.votes import Votes, select_votes
from labeling.texts.pages import bad_input


class FittedWeights(NamedTuple):
    """Weights of labelers that are not stored yet, and the number of votes behind them."""

    votes: int
    weights: list[LabelerWeight]


def weigh(store: Store, sources: Sequence[str], *, by: str) -> Weighting:
    """Fit and store the weight of each labeler's comparisons, from the current comparisons of these sources.

    Raises BadInput without comparisons.
    """
    return store_weights(store, sources, fit_weights(store, sources), by=by)


def fit_weights(store: Store, sources: Sequence[str]) -> FittedWeights | None:
    """Return the weights of `weigh`; None without comparisons.

    Gold items and adjudicated pairs count as known; excluded labelers are left out.
    """
    excluded = [labeler.labeler_id for labeler in store.excluded_labelers.all()]
    events = store.comparison_columns.cached()
    from_sources = np.isin(events["source"], [SOURCES.index(name) for name in sources])
    events = events[current_mask(events) & from_sources & ~np.isin(events["labeler"], excluded)]
    if not len(events):
        return None
    rows = select_votes(events)
    signs = store.comparison_columns.known_signs()
    known_signs = np.array([signs.get(pair, 0) for pair in rows["pair"].tolist()], np.int8)
    model = fit(Votes(rows["pair"], rows["labeler"], rows["grade"]), rows["left"], known_signs)
    ids, counts = np.unique(events["labeler"], return_counts=True)
    comparisons = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    place = {int(id): number for number, id in enumerate(model.labeler) if model.votes[number]}
    weights = model.weights(comparisons)
    fitted_weights = []
    for id, count in comparisons.items():
        at = place.get(id)
        discrimination, error = (None, None) if at is None else (model.discrimination[at], model.error[at])
        fitted_weights.append(LabelerWeight(id, weights[id], _number(discrimination), _number(error), count))
    return FittedWeights(int(model.votes.sum()), fitted_weights)


def store_weights(store: Store, sources: Sequence[str], fitted: FittedWeights | None, *, by: str) -> Weighting:
    """Store fitted weights as a new version. Raises BadInput for None."""
    if fitted is None:
        raise bad_input("need.weight_comparisons", field="labels", sources="+".join(sources))
    with store.transaction():
        weighting = store.labeler_weights.add("+".join(sources), fitted.votes, fitted.weights, by=by)
        store.audit.add(by, "weigh labelers", weighting=weighting.id)
        return weighting


def _number(value: np.floating | None) -> float | None:
    return None if value is None else float(value)

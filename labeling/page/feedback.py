# SPDX-License-Identifier: Apache-2.0
"""Results of the labels that a labeler may see: agreement and accuracy, never gold items, names or single verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from data.records import RewardModel
from data.store import Store
from labeling.quality.cached_overview import CachedFigures
from labeling.quality.patterns import count_preferences, load_patterns, pair_scores

FOREGROUND_LIMIT = 2_000
"""Events up to which agreement is computed while all labelers wait (10 ms); beyond, in the background."""
CACHES: WeakKeyDictionary[Store, CachedFigures[RawAgreement]] = WeakKeyDictionary()
"""Agreement in each open store. Pages without an item ask every 20 seconds, inside the transaction of a group
commit."""


class RawAgreement(NamedTuple):
    """`rate` and `pairs` of `labeling.quality.agreement.Agreement`, without the costly interval."""

    rate: float | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Effect:
    """Agreement between people (None: not computed yet), and the accuracy of the newest reward model of their labels.

    `accuracy` is None if there is no such model.
    """

    agreement: RawAgreement | None
    accuracy: float | None


def effect(store: Store) -> Effect:
    """Return agreement between people, and the accuracy on test prompts of the newest reward model of their labels."""
    models = [
        model for model in store.reward_models.all() if _from_people(model) and model.report.get("accuracy") is not None
    ]
    cache = CACHES.setdefault(store, CachedFigures(raw_agreement, FOREGROUND_LIMIT))
    return Effect(cache.read(store).figures, models[-1].report["accuracy"] if models else None)


def raw_agreement(store: Store) -> RawAgreement:
    """Return the agreement between people."""
    patterns = load_patterns(store)
    pairs = int(patterns.weights.sum())
    if not pairs:
        return RawAgreement(None, 0)
    scores = pair_scores(count_preferences(patterns.counts))
    return RawAgreement(float(scores @ patterns.weights / pairs), pairs)


def _from_people(model: RewardModel) -> bool:
    labels = str(model.config.get("labels", "")).split("+")
    return "person" in labels or "all" in labels

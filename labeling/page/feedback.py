"""What the labels given so far did, as labelers may know it: no gold, no names, nobody's single answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from data.records import RewardModel
from data.store import Store
from labeling.quality.agreement import judged, pair_scores, preferred
from labeling.quality.cached_overview import CachedFigures

FOREGROUND_LIMIT = 2_000
"""Up to so many events agreement is worked out while all labelers wait (10 ms); beyond, in the background."""
CACHES: WeakKeyDictionary[Store, CachedFigures[RawAgreement]] = WeakKeyDictionary()
"""Agreement in each open store. Pages with nothing to judge ask every 20 seconds, inside the transaction of the desk."""


class RawAgreement(NamedTuple):
    """The `rate` of `labeling.quality.agreement.Agreement` and its `pairs`; its interval, whose resamples take most of the time, is not shown to labelers."""

    rate: float | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Effect:
    """How far people agree (None: not worked out yet), and the share of unseen pairs that the newest reward model of theirs orders as they do.

    `accuracy` is None where there is no such model.
    """

    agreement: RawAgreement | None
    accuracy: float | None


def effect(store: Store) -> Effect:
    """Agreement between people, and the accuracy on test prompts of the newest reward model that learned from people's answers."""
    models = [
        model for model in store.reward_models.all() if _from_people(model) and model.report.get("accuracy") is not None
    ]
    kept = CACHES.setdefault(store, CachedFigures(raw_agreement, FOREGROUND_LIMIT))
    return Effect(kept.read(store).figures, models[-1].report["accuracy"] if models else None)


def raw_agreement(store: Store) -> RawAgreement:
    """How far people agree."""
    found = judged(store)
    pairs = int(found.weights.sum())
    return RawAgreement(float(pair_scores(preferred(found.counts)) @ found.weights / pairs) if pairs else None, pairs)


def _from_people(model: RewardModel) -> bool:
    labels = str(model.config.get("labels", "")).split("+")
    return "person" in labels or "all" in labels

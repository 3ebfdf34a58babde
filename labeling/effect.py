"""What the labels given so far did, as labelers may know it: no gold, no names, nobody's single answers."""

from __future__ import annotations

from dataclasses import dataclass

from data.records import RewardModel
from data.store import Store
from labeling.agreement import Agreement, agreement


@dataclass(frozen=True, slots=True)
class Effect:
    """How far people agree, and the share of unseen pairs that the newest reward model of theirs orders as they do (None: not known)."""

    agreement: Agreement
    accuracy: float | None


def effect(store: Store) -> Effect:
    """Agreement between people, and the accuracy on test prompts of the newest reward model that learned from people's answers."""
    models = [model for model in store.reward_models.list() if _from_people(model) and model.report.get("accuracy") is not None]
    return Effect(agreement(store), models[-1].report["accuracy"] if models else None)


def _from_people(model: RewardModel) -> bool:
    labels = str(model.config.get("labels", "")).split("+")
    return "person" in labels or "all" in labels

# SPDX-License-Identifier: Apache-2.0
"""Weightings: the weight of each labeler's comparisons in training, computed at one time.

A weighting never changes, so runs can name one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.clock import now
from data.errors import BadInput
from data.sqlite.table import Table


@dataclass(frozen=True, slots=True)
class LabelerWeight:
    """`weight` 1 is the mean over comparisons.

    `discrimination` with its standard `error`; None for one who shares no pair.
    """

    labeler_id: int
    weight: float
    discrimination: float | None
    error: float | None
    comparisons: int


@dataclass(frozen=True, slots=True)
class Weighting:
    """A version of the weights: whose `labels`, fitted on how many `votes`."""

    id: int
    labels: str
    votes: int
    actor: str
    created_at: str
    weights: tuple[LabelerWeight, ...]

    def by_labeler(self) -> dict[int, float]:
        """Return the weights by labeler id, as `data.views.preferences` takes them."""
        return {labeler.labeler_id: labeler.weight for labeler in self.weights}


class LabelerWeights(Table):
    """Every version, the last one being the newest."""

    def add(self, labels: str, votes: int, weights: Sequence[LabelerWeight], *, by: str) -> Weighting:
        """Add a new version."""
        columns = ("weighting_id", "labeler_id", "weight", "discrimination", "error", "comparisons")
        with self._store.transaction():
            id = self._store.insert("weightings", {"labels": labels, "votes": votes, "actor": by, "created_at": now()})
            rows = [(id, w.labeler_id, w.weight, w.discrimination, w.error, w.comparisons) for w in weights]
            self._store.insert_many("labeler_weights", columns, rows)
            return self.get(id)

    def get(self, id: int) -> Weighting:
        """Return the version. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM weightings WHERE id = ?", [id])
        if row is None:
            raise BadInput(f"there is no weighting {id}")
        sql = "SELECT labeler_id, weight, discrimination, error, comparisons FROM labeler_weights WHERE weighting_id = ? ORDER BY labeler_id"
        return Weighting(**row, weights=tuple(LabelerWeight(**weight) for weight in self._store.rows(sql, [id])))

    def newest(self) -> Weighting | None:
        """Return the last version, None if there is none."""
        id = self._store.value("SELECT max(id) FROM weightings")
        return self.get(id) if id else None

# SPDX-License-Identifier: Apache-2.0
"""The store's current comparisons as the rows of a snapshot. Importable without torch."""

from __future__ import annotations

from typing import Any

from data.records import Snapshot
from data.store import Store
from data.views.preferences import freeze_row, parse_sources, preference_rows, snapshot_filters
from labeling.quality.weighting import weigh


def current_comparisons(store: Store, labels: str, weights: str, by: str) -> tuple[list[dict], dict[str, Any]]:
    """Return the current comparisons of these sources, as a snapshot stores them, and the snapshot's filters.

    With `weights` 'reliability' each row has its labeler's weight, which is computed now and stored under the name
    `by`. Raises BadInput if there is no such comparison.
    """
    filters = snapshot_filters(store, labels)
    by_labeler = None
    if weights == "reliability":
        weighting = weigh(store, parse_sources(labels)[0], by=by)
        by_labeler, filters["weighting"] = weighting.by_labeler(), weighting.id
    rows = [freeze_row(row) for row in preference_rows(store, source=labels, weights=by_labeler)]
    return rows, filters


def freeze_comparisons(store: Store, labels: str, weights: str, by: str) -> Snapshot:
    """Freeze the current comparisons; see `current_comparisons`. Raises as it does."""
    return store.snapshots.freeze("preferences", *current_comparisons(store, labels, weights, by))

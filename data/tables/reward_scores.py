# SPDX-License-Identifier: Apache-2.0
"""Scores that reward models gave to completions: each model reads a completion once."""

from __future__ import annotations

from collections.abc import Mapping

from data.sqlite.table import Table


class RewardScores(Table):
    """Raw scores by reward model and completion; None for a completion that the model cannot read."""

    def add_many(self, reward_model_id: int, scores: Mapping[str, float | None]) -> None:
        """Store the scores of completions, by their ids. The first score of a completion stays."""
        rows = [(reward_model_id, id, score) for id, score in scores.items()]
        self._store.insert_many("reward_scores", ("reward_model_id", "completion_id", "score"), rows)

    def newest(self) -> int | None:
        """Return the number of the newest score; None if there is none."""
        return self._store.value("SELECT max(rowid) FROM reward_scores")

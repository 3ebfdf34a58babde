# SPDX-License-Identifier: Apache-2.0
"""Comparisons of test prompts that came after the training of a reward model, with the scores that it gave.

They never trained the model and are not in its report. Rankings and edits are left out.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from data.records import RewardModel
from data.store import Store
from data.views.preference_sql import TEST_STATEMENTS
from data.views.preferences import PEOPLE, PreferenceRow, change_mark, parse_sources, read_row

SCORED = f"SELECT prompt_id, winner_id, a_id, a_score, b_score FROM ({TEST_STATEMENTS}) WHERE a_score IS NOT NULL AND b_score IS NOT NULL"
WAITING = f"SELECT * FROM ({TEST_STATEMENTS}) WHERE NOT scored LIMIT :limit"
NEWEST = 3
"""Reward models that score new comparisons."""


class LiveComparison(NamedTuple):
    """A comparison with a model's scores: `label` is 1 if a is better, 0.5 for a tie, 0."""

    prompt_id: int
    label: float
    a_score: float
    b_score: float


def scoring_models(store: Store) -> list[RewardModel]:
    """Return the reward models that score new comparisons, newest first."""
    return store.reward_models.all()[: -NEWEST - 1 : -1]


def live_comparisons(store: Store, model: RewardModel) -> list[LiveComparison]:
    """Return the comparisons since the training whose two answers the model has scored."""
    return [
        LiveComparison(
            row["prompt_id"],
            0.5 if row["winner_id"] is None else float(row["winner_id"] == row["a_id"]),
            row["a_score"],
            row["b_score"],
        )
        for row in store.rows(SCORED, _parameters(store, model))
    ]


def unscored_comparisons(store: Store, model: RewardModel, limit: int) -> list[PreferenceRow]:
    """Return up to `limit` comparisons since the training with an answer that the model has not read."""
    rows = store.rows(WAITING, {**_parameters(store, model), "limit": limit})
    extra = ("a_score", "b_score", "scored")
    return [read_row({name: value for name, value in row.items() if name not in extra}) for row in rows]


def score_mark(store: Store) -> tuple[int | None, ...]:
    """Return numbers that differ whenever the scored comparisons may have changed."""
    return (*change_mark(store), store.reward_scores.newest())


def _parameters(store: Store, model: RewardModel) -> dict[str, Any]:
    """Return the parameters of the statements.

    A training froze its comparisons when its run was queued; an online run read them when it published the model.
    """
    run = store.runs.get(model.run_id) if model.run_id else None
    since = model.created_at if run is None or run.kind == "online" else run.created_at
    sources, gold = parse_sources(model.config.get("labels") or PEOPLE)
    return {"sources": json.dumps(sources), "gold": gold, "since": since, "model": model.id}

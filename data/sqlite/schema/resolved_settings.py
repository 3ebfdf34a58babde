# SPDX-License-Identifier: Apache-2.0
"""A change of rows: the settings of runs that were queued before defaults were resolved name what the runs used.

What a run produced names its parent, its reward model and its rows. A run that produced nothing used what was newest
when it started. Never edited: later changes are migrations.
"""

from __future__ import annotations

_FROM_NEWEST = "('ppo', 'dpo', 'rejection', 'best-of-n')"
_FROM_FIRST = "('sft', 'embed', 'quantity', 'ab')"
_REWARDED = "('ppo', 'rejection', 'best-of-n')"
_MOMENT = "coalesce(runs.started_at, runs.created_at)"
_MADE_BY = "FROM policies AS p WHERE p.run_id = runs.id"
_EARLIER = f"WHERE m.created_at <= {_MOMENT} AND m.run_id IS NOT runs.id"


def _fill(key: str, kinds: str, value: str) -> str:
    """Return the statement that fills an empty setting of these kinds with the value, if it is not NULL."""
    return (
        f"UPDATE runs SET settings = json_set(settings, '$.{key}', {value}) "
        f"WHERE kind IN {kinds} AND json_extract(settings, '$.{key}') = '' AND {value} IS NOT NULL"
    )


STATEMENTS = (
    _fill("from", _FROM_NEWEST, f"(SELECT 'p' || p.parent_id {_MADE_BY} LIMIT 1)"),
    _fill("from", _FROM_FIRST, f"(SELECT 'p' || p.parent_id {_MADE_BY} LIMIT 1)"),
    _fill(
        "from",
        _FROM_NEWEST,
        f"(SELECT 'p' || m.id FROM policies AS m {_EARLIER} AND m.kind <> 'best-of-n' ORDER BY m.id DESC LIMIT 1)",
    ),
    _fill("from", _FROM_FIRST, f"(SELECT 'p' || m.id FROM policies AS m {_EARLIER} ORDER BY m.id LIMIT 1)"),
    _fill("from", "('sample')", f"(SELECT 'p' || m.id FROM policies AS m {_EARLIER} ORDER BY m.id DESC LIMIT 1)"),
    _fill("reward", _REWARDED, f"(SELECT 'r' || p.reward_model_id {_MADE_BY} LIMIT 1)"),
    _fill("reward", _REWARDED, f"(SELECT 'r' || m.id FROM reward_models AS m {_EARLIER} ORDER BY m.id DESC LIMIT 1)"),
    _fill("snapshot", "('dpo', 'sft')", f"(SELECT 's' || p.snapshot_id {_MADE_BY} LIMIT 1)"),
    _fill(
        "snapshot",
        "('reward')",
        "(SELECT 's' || m.snapshot_id FROM reward_models AS m WHERE m.run_id = runs.id LIMIT 1)",
    ),
)
"""In order: lineage first, then the newest (or first) one at the run's start."""

"""Where two policies met: comparisons of an answer of one with an answer of the other, on test prompts alone."""

from __future__ import annotations

from typing import NamedTuple

from data.store import Store

MEETINGS = """
SELECT pairs.prompt_id, a.policy_id AS first, b.policy_id AS second,
    CASE WHEN c.winner_id IS NULL THEN 0.5 ELSE c.winner_id = c.left_id END AS outcome
FROM counted_comparisons AS c
JOIN pairs ON pairs.id = c.pair_id
JOIN prompts ON prompts.id = pairs.prompt_id AND +prompts.split = 'test'
JOIN completions AS a ON a.id = c.left_id
JOIN completions AS b ON b.id = c.right_id
WHERE pairs.purpose = 'compare' AND c.verdict != 'both_bad' AND c.source = ? AND a.policy_id != b.policy_id
ORDER BY c.created_at, c.id
"""


class Meeting(NamedTuple):
    """One comparison: `outcome` is 1 where the first policy's answer was preferred, 0.5 for a tie, 0."""

    prompt_id: int
    first: int
    second: int
    outcome: float


def meetings(store: Store, source: str) -> list[Meeting]:
    """What people ('person') or simulated labelers ('simulated') say where two policies met, in the order of the events."""
    return [Meeting(row["prompt_id"], row["first"], row["second"], float(row["outcome"])) for row in store.rows(MEETINGS, [source])]

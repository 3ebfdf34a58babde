# SPDX-License-Identifier: Apache-2.0
"""Head to head: comparisons between answers of two policies, on test prompts alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from data.store import Store

MEETINGS = """
WITH met AS (
    SELECT pairs.id, pairs.prompt_id, a.policy_id AS first, b.policy_id AS second, pairs.first_id, a.text = b.text AS equal
    FROM pairs
    JOIN prompts ON prompts.id = pairs.prompt_id AND +prompts.split = 'test'
    JOIN completions AS a ON a.id = pairs.first_id
    JOIN completions AS b ON b.id = pairs.second_id
    WHERE pairs.purpose = 'compare' AND a.policy_id != b.policy_id
        AND (:one IS NULL OR (a.policy_id, b.policy_id) IN (VALUES (:one, :other), (:other, :one)))
), judged AS (
    SELECT prompt_id, first, second, 0.5 AS outcome, 0 AS said FROM met WHERE equal
    UNION ALL
    SELECT met.prompt_id, first, second, CASE WHEN c.winner_id IS NULL THEN 0.5 ELSE c.winner_id = first_id END, 1
    FROM met JOIN counted_comparisons AS c ON c.pair_id = met.id
    WHERE NOT equal AND c.verdict != 'both_bad' AND c.source = :source
)
SELECT prompt_id, first, second, total(outcome) AS won, count(*) AS times, sum(said) AS said FROM judged GROUP BY 1, 2, 3
"""


class HeadToHead(NamedTuple):
    """Two policies on one prompt: `times` comparisons, of them `won` by the first; a tie counts half."""

    prompt_id: int
    first: int
    second: int
    won: float
    times: int


def head_to_head(store: Store, source: str, between: tuple[int | None, int | None] = (None, None)) -> list[HeadToHead]:
    """Return the results of any two policies, or of these, by people ('person') or simulated labelers ('simulated').

    Reads only pairs with the purpose 'compare'. A pair of equal texts, which is never shown, counts as one tie if
    another pair of the two policies has a verdict. Leaves out both-bad verdicts.
    """
    rows = store.rows(MEETINGS, {"source": source, "one": between[0], "other": between[1]})
    judged = {frozenset((row["first"], row["second"])) for row in rows if row["said"]}
    contests = [HeadToHead(*(row[name] for name in HeadToHead._fields)) for row in rows]
    return [pair for pair in contests if frozenset((pair.first, pair.second)) in judged]


def mean_outcomes(contests: Iterable[HeadToHead], policy_id: int, against_id: int) -> dict[int, float]:
    """Return the mean outcome of the policy on each prompt with a comparison of the two.

    A win is 1, a tie 0.5, a loss 0.
    """
    won: dict[int, float] = defaultdict(float)
    times: dict[int, int] = defaultdict(int)
    for contest in contests:
        if {contest.first, contest.second} == {policy_id, against_id}:
            won[contest.prompt_id] += contest.won if contest.first == policy_id else contest.times - contest.won
            times[contest.prompt_id] += contest.times
    return {prompt: won[prompt] / times[prompt] for prompt in won}

# SPDX-License-Identifier: Apache-2.0
"""The pairs that online runs ask about, each with its arm, its rule and what the reward model predicted; also rankings.

Pairs of the arm `random` are of test prompts. They are drawn without regard to the reward model and never trained on,
so their answers measure it without bias. A ranking stands for a pair of the arm `active`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, chain
from operator import itemgetter
from typing import Literal

from data.clock import later, now
from data.sqlite.table import Table

Arm = Literal["active", "random"]
Rule = Literal["variance", "random", "start"]
COLUMNS = ("pair_id", "run_id", "version", "arm", "rule", "probability", "predicted")
RANKING_COLUMNS = ("task_id", "run_id", "version", "rule", "probability")
NEVER = 2**62
"""A version that no policy reaches."""
ACTIVE_SECONDS = 300
"""A labeler who got an item in so many seconds is at work."""
WAITING = """FROM online_pairs AS o JOIN queue AS q ON q.pair_id = o.pair_id AND q.judged = 0 AND q.simulated = 0
WHERE o.run_id = :run AND o.version {sign} :version AND NOT EXISTS (SELECT 1 FROM assignments AS a
    WHERE a.pair_id = o.pair_id AND a.done = 0 AND a.expires_at > :now)"""
RANKINGS_WAITING = """FROM online_rankings AS o
JOIN ranking_tasks AS t ON t.id = o.task_id AND t.shown = 1 AND t.judged = 0 AND t.simulated = 0
WHERE o.run_id = :run AND o.version {sign} :version AND NOT EXISTS (SELECT 1 FROM assignments AS a
    WHERE a.task_id = o.task_id AND a.done = 0 AND a.expires_at > :now)"""
COUNT_WAITING = " + ".join(f"(SELECT count(*) {rows.format(sign='>=')})" for rows in (WAITING, RANKINGS_WAITING))
WITHDRAW = f"UPDATE pairs SET shown = 0 WHERE id IN (SELECT o.pair_id {WAITING.format(sign='<')})"
MARK = """UPDATE online_pairs SET outdated = 1 WHERE outdated = 0 AND run_id = ?
AND pair_id IN (SELECT id FROM pairs WHERE shown = 0)"""
WITHDRAW_RANKINGS = f"""UPDATE ranking_tasks SET shown = 0
WHERE id IN (SELECT o.task_id {RANKINGS_WAITING.format(sign="<")})"""
MARK_RANKINGS = """UPDATE online_rankings SET outdated = 1 WHERE outdated = 0 AND run_id = ?
AND task_id IN (SELECT id FROM ranking_tasks WHERE shown = 0)"""
AT_WORK = """SELECT count(*) FROM accounts AS l WHERE EXISTS
    (SELECT 1 FROM assignments AS a WHERE a.labeler_id = l.id AND a.created_at > ?)"""
ANSWERS = """
SELECT o.version, o.arm, o.rule, o.predicted, c.source, c.created_at, c.labeler_id, c.pair_id,
    CASE c.winner_id WHEN p.first_id THEN 1.0 WHEN p.second_id THEN 0.0 ELSE 0.5 END AS label,
    (SELECT policy_id IS NULL FROM completions WHERE id = p.first_id) AS first_is_learner
FROM online_pairs AS o JOIN pairs AS p ON p.id = o.pair_id JOIN current_comparisons AS c ON c.pair_id = o.pair_id
LEFT JOIN assignments AS a ON a.id = c.assignment_id
WHERE o.run_id = ? AND a.repeats IS NULL AND c.verdict != 'both_bad'
AND c.labeler_id NOT IN (SELECT labeler_id FROM labelers_aside) ORDER BY c.created_at, c.id
"""
RANKED = """
SELECT o.version, 'active' AS arm, o.rule, 0.5 AS predicted, r.source, r.created_at, r.labeler_id, NULL AS pair_id,
    0.5 AS label, 0 AS first_is_learner
FROM online_rankings AS o JOIN current_rankings AS r ON r.task_id = o.task_id
WHERE o.run_id = ? AND r.verdict = 'ranked' AND r.labeler_id NOT IN (SELECT labeler_id FROM labelers_aside)
ORDER BY r.created_at, r.id
"""
NEWEST_ASKED = """SELECT min(created_at) FROM online_questions
WHERE run_id = ?1 AND version = (SELECT max(version) FROM online_questions WHERE run_id = ?1)"""
ASKED_SINCE = """SELECT version, min(created_at) AS since FROM online_questions
WHERE run_id = ? GROUP BY version ORDER BY since"""
RANDOM_ARM = """SELECT
    (SELECT count(*) FROM online_pairs WHERE run_id = ?1 AND arm = 'random' AND outdated = 0) AS asked,
    (SELECT count(*) FROM online_pairs AS o WHERE o.run_id = ?1
        AND EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = o.pair_id))
    + (SELECT count(*) FROM online_rankings AS o JOIN ranking_tasks AS t ON t.id = o.task_id
        WHERE o.run_id = ?1 AND t.judged + t.simulated > 0) AS answered"""


@dataclass(frozen=True, slots=True)
class OnlinePair:
    """A pair to ask about. `version` counts the updates of the policy that answered.

    `probability` is that of the rule to draw this pair of the answers to its prompt. `predicted` is the reward model's
    probability that the first of the two, in this order, is better.
    """

    prompt_id: int
    a_id: str
    b_id: str
    version: int
    arm: Arm
    rule: Rule
    probability: float
    predicted: float

    @property
    def predicted_of_first(self) -> float:
        """The prediction for the completion that the stored pair calls its first, that of the smaller id."""
        return self.predicted if self.a_id < self.b_id else 1 - self.predicted


@dataclass(frozen=True, slots=True)
class OnlineAnswer:
    """A comparison of a pair that a run asked about. `label` and `predicted` are of the pair's first completion.

    `first_is_learner`: the run's policy wrote the first completion. `newest` is the newest version that was asked
    about when the comparison came. A ranking has no pair, and its `label` and `predicted` of one half say nothing.
    """

    version: int
    arm: Arm
    rule: Rule
    predicted: float
    source: str
    created_at: str
    labeler_id: int
    pair_id: int | None
    label: float
    first_is_learner: bool
    newest: int

    @property
    def as_predicted(self) -> float:
        """1 if the comparison is what the reward model predicted, 0 if not, one half for a tie."""
        return 0.5 if self.label == 0.5 else float((self.predicted > 0.5) == (self.label > 0.5))


class OnlinePairs(Table):
    """Questions of online runs to the labelers. `run_id` is of the first run of those that resume each other."""

    def record(self, run_id: int, pair_ids: Iterable[int], pairs: Iterable[OnlinePair]) -> None:
        """Record how the stored pairs were chosen. What is recorded already stays."""
        rows = [
            (id, run_id, pair.version, pair.arm, pair.rule, pair.probability, pair.predicted_of_first)
            for id, pair in zip(pair_ids, pairs, strict=True)
        ]
        self._store.insert_many("online_pairs", COLUMNS, rows)

    def record_ranking(self, run_id: int, task_id: int, version: int, rule: Rule, probability: float) -> None:
        """Record how the answers of a ranking task were chosen. What is recorded already stays."""
        row = (task_id, run_id, version, rule, probability)
        self._store.insert_many("online_rankings", RANKING_COLUMNS, [row])

    def waiting(self, run_id: int, version: int) -> int:
        """Count the pairs and rankings of this version or a newer one that nobody judged and nobody is looking at."""
        return self._store.value(f"SELECT {COUNT_WAITING}", _bounds(run_id, version))

    def withdraw_older(self, run_id: int, version: int) -> int:
        """Take the waiting pairs and rankings of older versions from the queue, but those that somebody is looking at.

        Returns their number.
        """
        with self._store.transaction():
            bounds = _bounds(run_id, version)
            withdrawn = sum(self._store.execute(sql, bounds) for sql in (WITHDRAW, WITHDRAW_RANKINGS))
            for sql in (MARK, MARK_RANKINGS):
                self._store.execute(sql, [run_id])
        return withdrawn

    def withdraw_all(self, run_id: int) -> int:
        """Take every waiting pair and ranking of the run from the queue; return their number."""
        return self.withdraw_older(run_id, NEVER)

    def newest_asked(self, run_id: int) -> str | None:
        """Return when the run first asked about its newest policy; None before its first question."""
        return self._store.value(NEWEST_ASKED, [run_id])

    def random_arm_due(self, run_id: int, share: float) -> int:
        """Count the pairs that the random arm lacks for this share of the answered questions and the next one."""
        counts = self._store.one(RANDOM_ARM, [run_id])
        return max(0, math.ceil(share * (counts["answered"] + 1)) - counts["asked"])

    def labelers_at_work(self) -> int:
        """Count the labelers who got an item lately."""
        return self._store.value(AT_WORK, [later(-ACTIVE_SECONDS)])

    def answers(self, run_id: int) -> list[OnlineAnswer]:
        """Return the answers to the run's pairs and rankings in the order of time, without planned repeats."""
        asked = self._store.rows(ASKED_SINCE, [run_id])
        given = chain(*(self._store.rows(sql, [run_id]) for sql in (ANSWERS, RANKED)))
        since, newest = [row["since"] for row in asked], list(accumulate((row["version"] for row in asked), max))
        return [
            OnlineAnswer(
                **row
                | {
                    "first_is_learner": bool(row["first_is_learner"]),
                    "newest": newest[max(0, bisect_right(since, row["created_at"]) - 1)],
                }
            )
            for row in sorted(given, key=itemgetter("created_at"))
        ]


def _bounds(run_id: int, version: int) -> dict[str, int | str]:
    return {"run": run_id, "version": version, "now": now()}

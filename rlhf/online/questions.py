# SPDX-License-Identifier: Apache-2.0
"""The questions of an online run to the labelers: pairs or rankings of the policy's newest answers, a few at a time.

They are in the order in which they should be asked. Only as many wait as labelers can take soon, since the policy moves
on. When it has moved, those that nobody looks at are withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from data.records import Policy
from data.store import Store
from data.tables.online_pairs import Arm, OnlinePair, Rule

FEWEST = 16
"""Questions that wait at least, however few labelers are at work."""
PER_LABELER = 2
"""Questions that wait for each labeler at work."""
AHEAD = 2
"""Questions that are prepared for each that should wait: the others enter the queue while the policy learns."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as ids and text. `number` tells it from the other answers of its writer to its prompt."""

    prompt_id: int
    ids: list[int]
    text: str
    ended: bool
    number: int


@dataclass(frozen=True, slots=True)
class Question:
    """Two answers to a prompt, and how they were chosen. The second is the start's if the rule is `start`."""

    first: Answer
    second: Answer
    arm: Arm
    rule: Rule
    probability: float
    predicted: float


@dataclass(frozen=True, slots=True)
class RankingQuestion:
    """Three or more answers of the policy to a prompt, and how they were chosen."""

    answers: tuple[Answer, ...]
    rule: Rule
    probability: float


AnyQuestion: TypeAlias = Question | RankingQuestion
More = Callable[[int], list[AnyQuestion]]
"""Prepares about that many more questions; none when there is nothing left to ask."""


@dataclass
class QuestionQueue:
    """The questions of one run in the store's queue. `run_id` is of the first run of those that resume each other.

    `random_share`: if the other questions are rankings, the share of the random arm's pairs. Labelers get pairs before
    rankings, so such a pair enters the queue only when the answered questions lack it.
    """

    store: Store
    run_id: int
    project_id: int
    start: Policy
    sampling: dict[str, Any]
    seed: int
    random_share: float = 0.0
    version: int = 0
    prepared: list[AnyQuestion] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """Return how many questions should wait now."""
        return max(FEWEST, PER_LABELER * self.store.online_pairs.labelers_at_work())

    @property
    def is_dry(self) -> bool:
        """Return whether no question of the newest policy waits or may enter the queue."""
        return not self._divide()[0] and not self.store.online_pairs.waiting(self.run_id, self.version)

    def begin(self, version: int, more: More) -> None:
        """Ask about a newer policy: queue its first questions, then withdraw those about older ones."""
        self.version, self.prepared = version, more(AHEAD * self.wanted)
        with self.store.transaction():
            self.top_up()
            self.store.online_pairs.withdraw_older(self.run_id, version)

    def top_up(self, more: More | None = None) -> None:
        """Queue prepared questions until as many wait as wanted; `more` prepares others when they run out."""
        missing = self.wanted - self.store.online_pairs.waiting(self.run_id, self.version)
        if missing <= 0:
            return
        ready, later = self._divide()
        if more and len(ready) < missing:
            self.prepared += more(AHEAD * missing)
            ready, later = self._divide()
        questions, self.prepared = ready[:missing], ready[missing:] + later
        if questions:
            self._add(questions)

    def close(self) -> None:
        """Withdraw every question that nobody looks at: nothing learns from its answer any more."""
        self.store.online_pairs.withdraw_all(self.run_id)

    def _divide(self) -> tuple[list[AnyQuestion], list[AnyQuestion]]:
        """Return the prepared questions that may enter the queue now, and those that may not yet."""
        if not self.random_share:
            return self.prepared, []
        due = self.store.online_pairs.random_arm_due(self.run_id, self.random_share)
        pairs: list[AnyQuestion] = [question for question in self.prepared if isinstance(question, Question)]
        rankings = [question for question in self.prepared if isinstance(question, RankingQuestion)]
        return [*pairs[:due], *rankings], pairs[due:]

    def _add(self, questions: Sequence[AnyQuestion]) -> None:
        with self.store.transaction():
            self._add_pairs([question for question in questions if isinstance(question, Question)])
            for question in questions:
                if isinstance(question, RankingQuestion):
                    self._add_ranking(question)

    def _add_pairs(self, questions: Sequence[Question]) -> None:
        firsts = self._store_answers([(question.first, False) for question in questions])
        seconds = self._store_answers([(question.second, question.rule == "start") for question in questions])
        pairs = [
            OnlinePair(
                question.first.prompt_id,
                first,
                second,
                self.version,
                question.arm,
                question.rule,
                question.probability,
                question.predicted,
            )
            for question, first, second in zip(questions, firsts, seconds, strict=True)
        ]
        ids = self.store.pairs.add_many(
            [(pair.prompt_id, pair.a_id, pair.b_id) for pair in pairs],
            run_id=self.run_id,
            project_id=self.project_id,
        )
        self.store.online_pairs.record(self.run_id, ids, pairs)

    def _add_ranking(self, question: RankingQuestion) -> None:
        prompt_id = question.answers[0].prompt_id
        ids = self._store_answers([(answer, False) for answer in question.answers])
        task = self.store.rankings.add_task(prompt_id, ids, project_id=self.project_id, run_id=self.run_id)
        assert task is not None, "the texts of a ranking differ"
        self.store.online_pairs.record_ranking(self.run_id, task.id, self.version, question.rule, question.probability)

    def _store_answers(self, answers: Sequence[tuple[Answer, bool]]) -> list[str]:
        """Store answers of the start (True) or of the run's policy, which has no number until it is published."""
        learner = {"model_name": f"run{self.run_id}, update {self.version}"}
        start = {"policy_id": self.start.id}
        rows = [
            {
                "prompt_id": answer.prompt_id,
                "text": answer.text,
                "token_ids": answer.ids,
                "ended": answer.ended,
                "number": answer.number,
                "sampling": self.sampling | {"run": self.run_id, "update": self.version},
                "seed": self.seed,
            }
            | (start if by_start else learner)
            for answer, by_start in answers
        ]
        return self.store.completions.add_many(rows, self.run_id)

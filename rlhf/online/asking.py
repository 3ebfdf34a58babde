# SPDX-License-Identifier: Apache-2.0
"""The choice of an online run's questions from the policy's newest answers.

Most questions are about the rollout that the policy learns from next. A share, the random arm, is about prompts of the
test split: one half compares the policy with its start, one half two answers of the policy. Nothing is trained on them,
so they measure policy and reward model without bias.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from data.tables.online_pairs import Rule
from rlhf.online.learner import Learner
from rlhf.online.questions import Answer, AnyQuestion, Question, RankingQuestion
from rlhf.online.selection import (
    different_answers,
    different_pairs,
    disputed_rankings,
    most_disputed,
    random_pairs,
    random_rankings,
)
from rlhf.online.settings import OnlineSettings
from rlhf.ppo.collector import RolloutCollector
from rlhf.ppo.prompt_rows import PromptRow
from rlhf.ppo.rollout import permutation
from rlhf.sampling.sampler import Rollout

TEST_PROMPTS = 3
"""The purpose of a shuffle, beside those of `rlhf.ppo.rollout`."""
RANDOM_ARM = 2**33
"""Added to the update's number, the key of the random arm's noise."""


class Asking:
    """Turns a rollout into questions, block after block."""

    def __init__(
        self,
        settings: OnlineSettings,
        learner: Learner,
        collector: RolloutCollector,
        test_rows: Sequence[PromptRow],
        test_prompts: Sequence[list[int]],
    ) -> None:
        self.settings, self.learner, self.collector = settings, learner, collector
        self.test_rows, self.test_prompts = test_rows, test_prompts
        self._update, self._tested = 0, 0
        self._active: list[AnyQuestion] = []

    def begin(self, update: int, rows: Sequence[PromptRow], prompts: list[list[int]], rollout: Rollout) -> None:
        """Choose pairs or rankings of a rollout's answers that differ clearly, in the order to ask them."""
        self._update, self._tested = update, 0
        answers = self._answers(rows, rollout)
        texts, group = [answer.text for answer in answers], self.collector.args.answers_per_prompt
        scores, members = self.learner.scores(prompts, rollout.ids)
        disputed = self.settings.selection == "variance" and self.learner.is_fitted
        rule: Rule = "variance" if disputed else "random"
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + update)
        if size := self.settings.ranking:
            candidates = different_answers(texts, group)
            rankings = (
                disputed_rankings(members, candidates, size)
                if disputed
                else random_rankings(candidates, size, generator)
            )
            self._active = [
                RankingQuestion(tuple(answers[row] for row in rows), rule, probability)
                for rows, probability in rankings
            ]
            return
        pairs = different_pairs(texts, group)
        chosen = most_disputed(members, pairs) if disputed else random_pairs(pairs, generator)
        self._active = [
            Question(answers[first], answers[second], "active", rule, probability, _chance(scores, first, second))
            for first, second, probability in chosen
        ]

    def more(self, count: int) -> list[AnyQuestion]:
        """Return about `count` more questions in the order to ask them; none when all have been given out.

        Samples answers to test prompts as the active role.
        """
        of_test = max(1, round(count * self.settings.random_share)) if self.test_rows else 0
        active, self._active = self._active[: count - of_test], self._active[count - of_test :]
        return interleave(active, self._random_arm(of_test), self.settings.random_share) if active else []

    def _random_arm(self, count: int) -> list[Question]:
        """Return questions about `count` test prompts, by turns against the start and between two of the policy."""
        order = permutation(self.settings.seed, self._update, TEST_PROMPTS, 0, len(self.test_rows)).tolist()
        order = [order[place % len(order)] for place in range(self._tested, self._tested + count)]
        if not order:
            return []
        rows, prompts = [self.test_rows[row] for row in order], [self.test_prompts[row] for row in order]
        ours, theirs = self._sample_pairs(prompts)
        self._tested += len(order)
        scores = torch.cat([self.learner.scores(prompts, answers.ids)[0] for answers in (ours, theirs)])
        share = 1 / len(self.test_rows)
        first, second = self._answers(rows, ours), self._answers(rows, theirs, first=len(rows))
        return [
            Question(
                a, b, "random", ("start", "random")[number % 2], share, _chance(scores, number, len(rows) + number)
            )
            for number, (a, b) in enumerate(zip(first, second, strict=True))
        ]

    def _sample_pairs(self, prompts: list[list[int]]) -> tuple[Rollout, Rollout]:
        """Return an answer of the policy to each prompt, and a second one: the start's to every other prompt."""
        key, count, first = RANDOM_ARM + self._update, len(prompts), 3 * self._tested
        self.collector.publish()
        ours = self.collector.sample(prompts, key, first)
        seconds = self.collector.sample(prompts[1::2], key, first + count)
        with self.collector.actor.base.role(self.collector.reference):
            starts = self.collector.sample(prompts[::2], key, first + 2 * count)
        places = [((starts, seconds)[number % 2], number // 2) for number in range(count)]
        return ours, Rollout(
            [rollout.ids[place] for rollout, place in places],
            [rollout.logps[place] for rollout, place in places],
            [rollout.ended[place] for rollout, place in places],
        )

    def _answers(self, rows: Sequence[PromptRow], rollout: Rollout, first: int = 0) -> list[Answer]:
        base = self.collector.actor.base
        return [
            Answer(row["id"], ids, base.decode(ids), ended, first + number)
            for number, (row, ids, ended) in enumerate(zip(rows, rollout.ids, rollout.ended, strict=True))
        ]


def interleave(active: Sequence[AnyQuestion], of_random_arm: Sequence[AnyQuestion], share: float) -> list[AnyQuestion]:
    """Return all questions in one order, in which the random arm has its share of every beginning."""
    questions: list[AnyQuestion] = []
    waiting, random_arm = list(active), list(of_random_arm)
    asked = 0
    while waiting or random_arm:
        is_due = asked < share * (len(questions) + 1)
        source = random_arm if random_arm and (is_due or not waiting) else waiting
        asked += source is random_arm
        questions.append(source.pop(0))
    return questions


def _chance(scores: Tensor, first: int, second: int) -> float:
    return torch.sigmoid(scores[first] - scores[second]).item()

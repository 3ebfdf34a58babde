# SPDX-License-Identifier: Apache-2.0
"""Load a policy ready to answer: by its own weights, or by best-of-n over its parent's answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.records import Policy, Prompt
from data.store import Store
from rlhf.models.policy_loading import Bases
from rlhf.models.reward_choice import load_reward
from rlhf.models.start_policy import BEST_OF_N
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SampledAnswer, SamplingLimits
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler


@dataclass(frozen=True, slots=True)
class BestOfN(AnswerSampler):
    """A sampler whose answer number k is the best of its parent's answers k n to k n + n - 1."""

    scorer: Scorer
    prompt: Callable[[int], Prompt]
    count: int

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt's token ids. Raises UnusablePrompt also if the reward's base cannot read the prompt."""
        ids = AnswerSampler.encode(self, prompt)
        if self.scorer.reader is not self.base:
            self.scorer.reader.encode_prompt(prompt.messages or prompt.text)
        return ids

    def draw(self, requests: Sequence[DrawRequest], limits: SamplingLimits, seed: int) -> list[SampledAnswer]:
        """Draw the requested answers, in the order given. The first of equal scores wins."""
        answers, scores = self.draw_scored(requests, limits, seed)
        best = scores.argmax(axis=1)
        return [row[place] for row, place in zip(answers, best, strict=True)]

    def draw_scored(
        self, requests: Sequence[DrawRequest], limits: SamplingLimits, seed: int
    ) -> tuple[list[list[SampledAnswer]], np.ndarray]:
        """Draw all n answers for each request, and return them with their scores (requests, n)."""
        single_draws = [
            DrawRequest(request.prompt_id, request.prompt_ids, request.number * self.count + offset)
            for request in requests
            for offset in range(self.count)
        ]
        answers = AnswerSampler.draw(self, single_draws, limits, seed)
        scores = scores_of(self.scorer, [self.prompt(draw.prompt_id) for draw in single_draws], answers)
        rows = [answers[start : start + self.count] for start in range(0, len(single_draws), self.count)]
        return rows, scores.reshape(len(requests), self.count)


def scores_of(scorer: Scorer, prompts: Sequence[Prompt], answers: Sequence[SampledAnswer]) -> np.ndarray:
    """Return the raw reward of each answer, (answers,)."""
    return scorer.raw_scores(
        [prompt.messages or prompt.text for prompt in prompts], [answer.ids for answer in answers]
    ).numpy()


def load_sampler(store: Store, bases: Bases, policy: Policy, source: Sampler = IN_PROCESS) -> AnswerSampler:
    """Load a policy ready to answer, best-of-n included; `source` samples its answers.

    Raises BadInput if the base, the adapter or the reward cannot be loaded.
    """
    sampler = AnswerSampler.load(store, bases, policy, source)
    if policy.kind != BEST_OF_N:
        return sampler
    reward = load_reward(store, policy.config["reward"], sampler.base, policy)
    scorer = Scorer(sampler.base, reward, missing_eos_penalty=0.0)
    count = policy.config["n"]
    return BestOfN(policy, sampler.base, sampler.role, scorer, store.prompts.get, count, sampler=source)

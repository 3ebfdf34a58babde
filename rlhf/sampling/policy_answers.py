# SPDX-License-Identifier: Apache-2.0
"""Answers of a policy, and their log-probabilities under any policy on the same base.

Every draw has its own stream of noise, keyed by (seed, policy, prompt, number): an answer depends neither on its batch
nor on other draws, and two policies never share their noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from data.records import Policy, Prompt
from data.store import Store
from reward.base.frozen_base import Base
from reward.base.memory import ROWS, reading_passes
from reward.base.out_of_memory import retry_halved
from rlhf.models.policy_loading import Bases, load_policy
from rlhf.sampling.rollout_sampler import IN_PROCESS, NoiseKey, Sampler, SamplingLimits
from rlhf.sampling.sampler import banned_ids
from rlhf.sampling.vocabulary import action_scores


class SampledAnswer(NamedTuple):
    """A sampled answer: `ids` are its token ids, with the end id if `ended`; `text` is for people to read."""

    text: str
    ids: list[int]
    ended: bool


class DrawRequest(NamedTuple):
    """One draw to make: the prompt's id in the store, its token ids, and the number of the draw for that prompt."""

    prompt_id: int
    prompt_ids: list[int]
    number: int


@dataclass(frozen=True, slots=True)
class AnswerSampler:
    """A policy ready to answer: its row, its base, its role there (None: the bare base), and what samples."""

    policy: Policy
    base: Base
    role: str | None
    sampler: Sampler = field(default=IN_PROCESS, kw_only=True)

    @classmethod
    def load(cls, store: Store, bases: Bases, policy: Policy, sampler: Sampler = IN_PROCESS) -> AnswerSampler:
        """Load a policy. Raises BadInput if the base or the adapter cannot be loaded, or not served."""
        role = load_policy(store, bases, policy.id)
        base = bases.of(policy)
        with base.role(role):
            sampler.publish(base)
        return cls(policy, base, role, sampler=sampler)

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt's token ids in this base's chat template."""
        return self.base.encode_prompt(prompt.messages or prompt.text)

    def draw(self, requests: Sequence[DrawRequest], limits: SamplingLimits, seed: int) -> list[SampledAnswer]:
        """Draw the requested answers, in the order given."""
        prompts = [request.prompt_ids for request in requests]
        noise = NoiseKey(seed, self.policy.id, [(request.prompt_id, request.number) for request in requests])
        with self.base.role(self.role):  # a whole run would draw its stored answers again
            rollout = retry_halved(lambda: self.sampler.answer(self.base, prompts, noise, limits))
        return [
            SampledAnswer(self.base.decode(ids), ids, ended)
            for ids, ended in zip(rollout.ids, rollout.ended, strict=True)
        ]

    @torch.no_grad()
    def logps(self, prompts: Sequence[list[int]], answers: Sequence[list[int]], most: int = ROWS) -> list[float]:
        """Return the log-probability of each answer given its prompt, in nats at temperature 1, in the order given.

        A pass has at most `most` rows.
        """
        sums = [0.0] * len(prompts)
        lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
        with self.base.role(self.role):
            for batch in reading_passes(self.base, lengths, most):
                values = _sum_logps(self.base, [prompts[i] for i in batch], [answers[i] for i in batch])
                for position, value in zip(batch, values, strict=True):
                    sums[position] = value
        return sums


def _sum_logps(base: Base, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> list[float]:
    """Return sums (B,) of log-probabilities; only positions that predict an answer's token pass the output layer."""
    ids, mask = base.collate([[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)])
    hidden = base.hidden(ids, mask, right_padded=True)
    rows: list[int] = []
    columns: list[int] = []
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        rows += [number] * len(answer)
        columns += range(len(prompt), len(prompt) + len(answer))
    row, column = torch.tensor(rows), torch.tensor(columns)
    logps, _ = action_scores(base, hidden[row, column - 1], ids[row, column], banned=banned_ids(base))
    return torch.zeros(len(prompts)).index_add(0, row, logps.cpu()).tolist()

# SPDX-License-Identifier: Apache-2.0
"""The recorded updates of TRL's trainer, read back: tensors by name, prompts and answers without padding."""

from __future__ import annotations

from torch import Tensor

from reward.base.frozen_base import Base
from rlhf.sampling.sampler import Rollout

Table = dict[str, Tensor]


def part(recorded: Table, prefix: str) -> Table:
    """The tensors of one update or one step, by their short names."""
    return {name.removeprefix(f"{prefix}."): value for name, value in recorded.items() if name.startswith(f"{prefix}.")}


def answers_of(update: Table) -> list[list[int]]:
    """Sampled answers, each cut where its padding begins."""
    return [row[~padded].tolist() for row, padded in zip(update["responses"], update["padding_mask"], strict=True)]


def prompts_of(base: Base, update: Table) -> list[list[int]]:
    """Prompts without the padding on their left."""
    return [[token for token in row.tolist() if token != base.pad_id] for row in update["queries"]]


class RecordedRollouts:
    """Answers and scores of the recorded updates, in place of a sampler and a reward."""

    def __init__(self, base: Base, updates: list[Table]) -> None:
        self.base, self.updates, self.update = base, updates, updates[0]

    def sample(self, prompts: list[list[int]], key: int, first: int = 0) -> Rollout:
        """Return the recorded answers of update `key`; validation answers are those of the first update."""
        self.update = self.updates[key if key < len(self.updates) else 0]
        answer_to = dict(zip(map(tuple, prompts_of(self.base, self.update)), answers_of(self.update), strict=True))
        answers = [answer_to[tuple(prompt)] for prompt in prompts]
        # the recorded scores include the penalty, so every answer counts as ended
        return Rollout(answers, [[0.0] * len(answer) for answer in answers], [True] * len(answers))

    def score(self, prompts: list[str], texts: list[str]) -> list[float]:
        """Return the recorded scores of the last sampled update."""
        scores = self.update["scores"].tolist()
        score_of = dict(zip(map(tuple, prompts_of(self.base, self.update)), scores, strict=True))
        return [score_of[tuple(self.base.encode_prompt(prompt))] for prompt in prompts]

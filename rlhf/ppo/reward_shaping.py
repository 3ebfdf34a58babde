# SPDX-License-Identifier: Apache-2.0
"""The reward that PPO maximises: scores in units of the reference, less penalties for a missing end and for length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import BadInput
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.protocol import Prompt, Rewarder, RewardFunction
from rlhf.ppo import arithmetic
from rlhf.sampling.sampler import Rollout


@dataclass
class RewardUnit:
    """The unit of a reward: a score x counts as (x - offset) / scale."""

    offset: float = 0.0
    scale: float = 1.0


class Scorer:
    """Score answers given as token ids. Reward models on the policy's tokenizer read ids; other rewards read the text.

    `reader` is the base that encodes prompts for the reward.

    `fit` sets `unit` from the reference policy's answers: 0 is their mean, 1 is a standard deviation above it.
    """

    def __init__(
        self,
        base: Base,
        reward: Rewarder | RewardFunction,
        missing_eos_penalty: float,
        *,
        clip: float | None = None,
        length_penalty: float = 0.0,
        length_free: int = 0,
    ) -> None:
        self._base, self._score, self._penalty = base, _scoring_function(reward), missing_eos_penalty
        self._clip, self._length_penalty, self._length_free = clip, length_penalty, length_free
        tokenizer = getattr(reward, "tokenizer_hash", None)  # only this application's reward models read token ids
        self._is_reward_model = tokenizer is not None
        self.reader: Base = getattr(reward, "base", base) if self._is_reward_model else base
        self._reads_ids = tokenizer == base.fingerprint["tokenizer"] and base.writes_answers_like(self.reader)
        self.unit = RewardUnit()

    def raw_scores(self, prompts: Sequence[Prompt], answers: Sequence[list[int]]) -> Tensor:
        """Return the reward's own scores, (B,) float32.

        Raises BadInput if the reward raises, or if a number is missing, NaN or infinite.
        """
        completions: list[Any] = list(answers) if self._reads_ids else [self._base.decode(ids) for ids in answers]
        scores = self._call(list(prompts), completions)
        if len(scores) != len(answers):
            raise BadInput(
                f"the reward gave {len(scores)} scores for {len(answers)} answers",
                "Return one number per answer",
                field="reward",
            )
        for row in (~scores.isfinite()).nonzero()[:1, 0].tolist():
            text = self._base.decode(answers[row])
            raise bad_input("refused.reward_infinite", field="reward", score=scores[row].item(), answer=text[:60])
        return scores

    def _call(self, prompts: list[Prompt], completions: list[Any]) -> Tensor:
        try:
            return torch.tensor([float(x) for x in self._score(prompts, completions)])
        except Exception as problem:  # a user's function may raise or return anything
            if self._is_reward_model or isinstance(problem, BadInput):
                raise
            raise bad_input(
                "refused.reward_raised", field="reward", name=type(problem).__name__, problem=str(problem)
            ) from problem

    def fit(self, scores: Tensor, scale: bool = True) -> None:
        """Set the unit so that `scores` of the reference's answers have mean 0 and deviation 1.

        Only the mean is set if `scale` is False or if all scores are equal.
        """
        self.unit.offset, deviation = scores.mean().item(), scores.std(unbiased=False).item()
        self.unit.scale = deviation if scale and deviation > 1e-6 else 1.0

    def standardize(self, raw: Tensor, ended: Sequence[bool]) -> Tensor:
        """Return (raw - offset) / scale (B,) within the clip, less the penalty if an answer has no end."""
        unended = torch.tensor([not end for end in ended], dtype=raw.dtype)
        scores = arithmetic.clipped_scores((raw - self.unit.offset) / self.unit.scale, self._clip)
        return scores - self._penalty * unended

    def shape(self, raw: Tensor, answers: Rollout) -> Tensor:
        """Return the reward (B,) that PPO maximises: standardized scores less the penalty for length."""
        lengths = torch.tensor([len(ids) for ids in answers.ids], dtype=raw.dtype)
        return self.standardize(raw, answers.ended) - arithmetic.length_penalty(
            lengths, self._length_penalty, self._length_free
        )


def _scoring_function(reward: Rewarder | RewardFunction) -> RewardFunction:
    """Return the function of prompts and completions. Raises BadInput for a network, which cannot read texts."""
    score = getattr(reward, "score", reward)
    if isinstance(score, nn.Module) or not callable(score):
        raise BadInput(
            f"a {type(reward).__name__} ({repr(reward)[:40]}) cannot score answers",
            "Give an object with score(prompts, completions), or such a function",
            field="reward",
        )
    return score

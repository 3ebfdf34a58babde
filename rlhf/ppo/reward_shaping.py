"""What PPO maximises: a reward model's scores in units of the reference policy, less what a missing end and length cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.ensemble import Cautious
from reward.model import RewardModel
from reward.protocol import Prompt, Rewarder, RewardFunction
from rlhf.ppo import arithmetic
from rlhf.sampling.sampler import Rollout


class Scorer:
    """Scores answers given as token ids. A reward model on the policy's tokenizer reads these ids, any other judge the text.

    `offset` and `scale` are set by `fit` on the reference policy's answers: 0 then means "like the reference", 1 a deviation above.
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
        self._base, self._score, self._penalty = base, _scoring(reward), missing_eos_penalty
        self._clip, self._length_penalty, self._length_free = clip, length_penalty, length_free
        self._ours = isinstance(reward, RewardModel | Cautious)
        self._reads_ids = self._ours and reward.base.fingerprint["tokenizer"] == base.fingerprint["tokenizer"]
        self.offset, self.scale = 0.0, 1.0

    def raw(self, prompts: Sequence[Prompt], answers: Sequence[list[int]]) -> Tensor:
        """The judge's own numbers, (B,) float32. Raises BadInput where the judge raises, or one is missing, NaN or infinite."""
        completions = list(answers) if self._reads_ids else [self._base.decode(ids) for ids in answers]
        scores = self._asked(list(prompts), completions)
        if len(scores) != len(answers):
            raise BadInput(
                f"the reward gave {len(scores)} scores for {len(answers)} answers",
                "Return one number per answer",
                field="reward",
            )
        for row in (~scores.isfinite()).nonzero()[:1, 0].tolist():
            text = self._base.decode(answers[row])
            raise BadInput(
                f"the reward of {text[:60]!r} is {scores[row].item()}", "Return finite numbers only", field="reward"
            )
        return scores

    def _asked(self, prompts: list[Prompt], completions: list[Any]) -> Tensor:
        try:
            return torch.tensor([float(x) for x in self._score(prompts, completions)])
        except Exception as problem:  # whatever somebody else's function raises, or returns in place of numbers
            if self._ours or isinstance(problem, BadInput):
                raise
            error = f"the reward raised {type(problem).__name__}: {problem}"
            raise BadInput(error, "Correct it, and start the run again", field="reward") from problem

    def fit(self, scores: Tensor, scale: bool = True) -> None:
        """Let `scores` of the reference's answers have mean 0 and deviation 1; without `scale`, and where all are equal, only mean 0."""
        self.offset, spread = scores.mean().item(), scores.std(unbiased=False).item()
        self.scale = spread if scale and spread > 1e-6 else 1.0

    def standard(self, raw: Tensor, ended: Sequence[bool]) -> Tensor:
        """(raw - offset) / scale within the clip, and the penalty subtracted where an answer has no end."""
        unended = torch.tensor([not end for end in ended], dtype=raw.dtype)
        return arithmetic.clipped_scores((raw - self.offset) / self.scale, self._clip) - self._penalty * unended

    def shaped(self, raw: Tensor, answers: Rollout) -> Tensor:
        """What PPO maximises, (B,): the standard scores of these answers, less the price of their length."""
        lengths = torch.tensor([len(ids) for ids in answers.ids], dtype=raw.dtype)
        return self.standard(raw, answers.ended) - arithmetic.length_penalty(
            lengths, self._length_penalty, self._length_free
        )


def _scoring(reward: Rewarder | RewardFunction) -> RewardFunction:
    """What is called with prompts and completions. Raises BadInput for what cannot be; a network reads tensors, not texts."""
    score = getattr(reward, "score", reward)
    if isinstance(score, nn.Module) or not callable(score):
        raise BadInput(
            f"a {type(reward).__name__} ({repr(reward)[:40]}) cannot score answers",
            "Give something with score(prompts, completions), or such a function",
            field="reward",
        )
    return score

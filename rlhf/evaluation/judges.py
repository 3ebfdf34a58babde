# SPDX-License-Identifier: Apache-2.0
"""Judges of answers: the rubric or a reward model.

A judge gives each answer a score (`gold`). The rubric also measures how well the answer fits its prompt (`fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from data.ids import REWARD_MODEL, parse_id
from data.records import Prompt
from data.store import Store
from reward.base.frozen_base import Base
from reward.model import RewardModel
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler, SampledAnswer


class JudgeScore(NamedTuple):
    """A judge's score of one answer; `fit` is None if the judge does not measure it."""

    gold: float
    fit: float | None


RubricParts = Callable[[dict, str, bool], dict[str, float]]
"""(facts, text, ended) -> the weighted parts of an answer's score."""
Judge = Callable[[Sequence[Prompt], Sequence[SampledAnswer]], list[JudgeScore]]


def rubric_judge(parts: RubricParts) -> Judge:
    """Return a judge by a rubric: gold is the sum of the parts."""

    def judge(prompts: Sequence[Prompt], answers: Sequence[SampledAnswer]) -> list[JudgeScore]:
        scored = [
            parts(prompt.facts or {}, answer.text, answer.ended)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        return [JudgeScore(float(sum(score.values())), score.get("fit")) for score in scored]

    return judge


def reward_judge(model: RewardModel, writers: Iterable[Base]) -> Judge:
    """Return a judge by a reward model: its score is gold, without a fit.

    It reads the sampled ids if all `writers` write answers as its own base does, and encodes the text otherwise.
    """
    reads_ids = all(base.writes_answers_like(model.base) for base in writers)

    def judge(prompts: Sequence[Prompt], answers: Sequence[SampledAnswer]) -> list[JudgeScore]:
        ids = [
            answer.ids if reads_ids and answer.ids else model.base.encode_completion(answer.text) for answer in answers
        ]
        scores = model.score([prompt.messages or prompt.text for prompt in prompts], ids)
        return [JudgeScore(score, None) for score in scores]

    return judge


def load_reward_judge(store: Store, bases: Bases, name: str, samplers: Sequence[AnswerSampler]) -> Judge | None:
    """Load a reward model as a judge of these samplers' answers; return None for an empty name."""
    if not name:
        return None
    record = store.reward_models.get(parse_id(name, REWARD_MODEL))
    model = RewardModel.load(store.home / record.adapter, bases.of(record))
    return reward_judge(model, {sampler.base for sampler in samplers})

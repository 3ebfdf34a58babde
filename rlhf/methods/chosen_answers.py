# SPDX-License-Identifier: Apache-2.0
"""Chosen answers: the best of n answers to a prompt, as rejection sampling saves and imitates it.

A chosen answer holds the sampled token ids, so training never encodes its text again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from datasets import Dataset

from data.errors import BadInput
from data.records import Prompt
from reward.base.distributed import map_shards
from reward.base.frozen_base import Base
from reward.base.text.unusable_prompts import SkippedPrompts, unusable_prompt
from rlhf.methods.answer_samplers import BestOfN
from rlhf.sampling.policy_answers import DrawRequest, SampledAnswer, SamplingLimits
from rlhf.settings import RejectionSettings

FIRST_NUMBER = 2**32
"""First answer number of a run: beyond those of any sampling run, so imitated answers are never labeled ones."""


class ChosenAnswer(TypedDict):
    """The best answer to a prompt: its score is `reward`, and `mean` is the mean score of all n answers."""

    prompt_id: int
    prompt_ids: list[int]
    ids: list[int]
    output: str
    ended: bool
    reward: float
    mean: float


def draw_chosen(
    sampler: BestOfN, settings: RejectionSettings, prompts: Sequence[Prompt], number: int, skipped: SkippedPrompts
) -> list[ChosenAnswer]:
    """Return a row per prompt with room for an answer: the best answer, its score, and the mean score of n.

    Counts the other prompts in `skipped`.
    """
    requests = []
    for prompt in prompts:
        try:
            ids = sampler.encode(prompt)
            check_room(sampler.base, prompt, ids, settings.max_new_tokens)
        except BadInput as problem:
            skipped.add(problem)
            continue
        requests.append(DrawRequest(prompt.id, ids, FIRST_NUMBER + number))
    if not requests:
        return []
    limits = SamplingLimits(settings.max_new_tokens, settings.batch_size)

    def choose(own: list[DrawRequest]) -> list[ChosenAnswer]:
        if not own:
            return []
        answers, scores = sampler.draw_scored(own, limits, settings.seed)
        return [
            _chosen(request, drawn[row.argmax()], row) for request, drawn, row in zip(own, answers, scores, strict=True)
        ]

    return map_shards(choose, requests)


def check_room(base: Base, prompt: Prompt, ids: Sequence[int], tokens: int) -> None:
    """Raise UnusablePrompt if a prompt of these ids leaves no room for an answer of so many tokens."""
    if len(ids) + tokens >= base.context:
        raise unusable_prompt(
            "prompt_room_of",
            "no room for an answer",
            field="max_new_tokens",
            id=prompt.id,
            length=len(ids),
            tokens=tokens,
            context=base.context,
        )


def _chosen(request: DrawRequest, answer: SampledAnswer, scores: np.ndarray) -> ChosenAnswer:
    return {
        "prompt_id": request.prompt_id,
        "prompt_ids": request.prompt_ids,
        "ids": answer.ids,
        "output": answer.text,
        "ended": answer.ended,
        "reward": float(scores.max()),
        "mean": float(scores.mean()),
    }


def training_rows(rows: Sequence[ChosenAnswer]) -> Dataset:
    """Return token ids and labels of the answers that ended; labels of the prompt are -100."""
    return Dataset.from_list(
        [
            {"input_ids": row["prompt_ids"] + row["ids"], "labels": [-100] * len(row["prompt_ids"]) + row["ids"]}
            for row in rows
            if row["ended"]
        ]
    )


def write_chosen(file: Path, rows: list[ChosenAnswer]) -> None:
    """Write the rows as JSON, atomically."""
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    draft.rename(file)

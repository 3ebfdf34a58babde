# SPDX-License-Identifier: Apache-2.0
"""Test prompts of a comparison: those that the judge knows and that leave room for every policy's answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from data.errors import BadInput
from data.records import Prompt
from data.store import Store
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.text.chat_template import short
from reward.base.text.unusable_prompts import SkippedPrompts, unusable_prompt
from rlhf.evaluation.evaluate import POLITE
from rlhf.sampling.policy_answers import AnswerSampler
from rlhf.settings import CompareSettings


def choose_contest_prompts(
    store: Store,
    settings: CompareSettings,
    samplers: Sequence[AnswerSampler],
    judge: Base | None,
    skipped: Counter[str],
) -> list[Prompt]:
    """Return the test prompts that the judge knows and that fit every policy, in the order of the seed.

    `judge` is the base of the reward model that reads the prompts, if there is one. Prompts that do not fit are
    counted in `skipped`. Raises BadInput if none is left.
    """
    prompts = store.prompts.all(split="test", last=settings.last_prompt)
    if not prompts:
        raise bad_input("need.test_prompts")
    random.Random(settings.seed).shuffle(prompts)
    known = [prompt for prompt in prompts if settings.judge == "reward" or prompt.facts]
    if not known:
        raise bad_input("need.known_prompts", field="judge", count=len(prompts))
    fitting: list[Prompt] = []
    others = SkippedPrompts(skipped)
    for prompt in known:
        if len(fitting) == settings.prompts:
            break
        try:
            for sampler in samplers:
                _check_room(sampler, prompt, settings.max_new_tokens)
            if judge:
                judge.encode_prompt(prompt.messages or prompt.text)
            fitting.append(prompt)
        except BadInput as problem:
            others.add(problem)
    if not fitting:
        raise bad_input(
            "need.room_of_prompts",
            field="max_new_tokens",
            max_new_tokens=settings.max_new_tokens,
            skipped=", ".join(skipped),
        )
    return fitting


def _check_room(sampler: AnswerSampler, prompt: Prompt, tokens: int) -> None:
    """Raise BadInput unless that many tokens and an end token, or the constant answer, fit into the context."""
    longest = max(tokens + 1, len(sampler.base.encode_completion(POLITE)))
    length = len(sampler.encode(prompt))
    if length + longest > sampler.base.context:
        raise unusable_prompt(
            "prompt_room",
            "no room for an answer",
            field="max_new_tokens",
            prompt=short(prompt.text),
            length=length,
            context=sampler.base.context,
            more=longest,
        )

# SPDX-License-Identifier: Apache-2.0
"""Test prompts of a comparison: those that the judge knows and that leave room for every policy's answer."""

from __future__ import annotations

import random
from collections.abc import Sequence

from data.errors import BadInput
from data.records import Prompt
from data.store import Store
from rlhf.evaluation.evaluate import POLITE
from rlhf.sampling.policy_answers import AnswerSampler
from rlhf.settings import CompareSettings


def choose_contest_prompts(store: Store, settings: CompareSettings, samplers: Sequence[AnswerSampler]) -> list[Prompt]:
    """Return the test prompts that the judge knows and that fit every policy, in the order of the seed.

    Raises BadInput if there is none.
    """
    prompts = store.prompts.all(split="test", last=settings.last_prompt)
    if not prompts:
        raise BadInput(
            "there are no test prompts", "Import prompts first: about one in seven falls into the test split."
        )
    random.Random(settings.seed).shuffle(prompts)
    known = [prompt for prompt in prompts if settings.judge == "reward" or prompt.facts]
    if not known:
        remedy = "Use a reward model as the judge: --set judge=reward --set reward=r1"
        raise BadInput(f"the rubric knows none of the {len(prompts)} test prompts", remedy, field="judge")
    fitting = [
        prompt for prompt in known if all(_has_room(sampler, prompt, settings.max_new_tokens) for sampler in samplers)
    ]
    if not fitting:
        raise BadInput(
            f"no test prompt leaves room for {settings.max_new_tokens} tokens",
            "Lower max_new_tokens.",
            field="max_new_tokens",
        )
    return fitting[: settings.prompts]


def _has_room(sampler: AnswerSampler, prompt: Prompt, tokens: int) -> bool:
    """Return whether that many tokens and an end token, or the constant answer, fit into the context."""
    longest = max(tokens + 1, len(sampler.base.encode_completion(POLITE)))
    try:
        return len(sampler.encode(prompt)) + longest <= sampler.base.context
    except BadInput:
        return False

# SPDX-License-Identifier: Apache-2.0
"""The protocol of a reward: `score(prompts, completions) -> rewards`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Prompt = str | list[dict[str, str]]
RewardFunction = Callable[[Sequence[Prompt], Sequence[str]], Sequence[float]]


class Rewarder(Protocol):
    """Anything that scores answers: a `reward.RewardModel`, an endpoint, or an object of your own.

    An object with a `tokenizer_hash`, such as a reward model, also accepts token ids of that tokenizer as completions.
    """

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> Sequence[float]:
        """Return one number for each pair of prompt and completion; higher is better."""
        ...

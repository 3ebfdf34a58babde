# SPDX-License-Identifier: Apache-2.0
"""The protocol of rewards: `score(prompts, completions) -> rewards`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Prompt = str | list[dict[str, str]]


RewardFunction = Callable[[Sequence[Prompt], Sequence[str]], Sequence[float]]


class Rewarder(Protocol):
    """Anything that scores answers: a `reward.RewardModel`, an endpoint, an object of your own.

    An object with a `tokenizer_hash`, as reward models have, also reads token ids of that tokenizer as completions.
    """

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> Sequence[float]:
        """Return one number for each pair of prompt and completion; higher is better."""
        ...

# SPDX-License-Identifier: Apache-2.0
"""Samplers: the one way in which runs get answers, from this process or from servers.

An answer depends on the weights, its prompt and its noise alone. The noise of a server differs from that of this
process, so a run that changes its sampler does not repeat itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from data.ids import content_hash
from reward.base.frozen_base import Base
from rlhf.sampling.sampler import Rollout, banned_ids, draw_uniforms, generate


@dataclass(frozen=True, slots=True)
class SamplingLimits:
    """Limits of sampling: answer length in tokens, rows in a batch, temperature; `bf16` as in `generate`."""

    max_new_tokens: int
    batch_size: int
    temperature: float = 1.0
    bf16: bool = False


class NoiseKey(NamedTuple):
    """The noise of some answers: a run's seed, an update or a policy, and (prompt, sample) of each answer."""

    seed: int
    key: int
    rows: Sequence[tuple[int, int]]

    def uniforms(self, length: int) -> np.ndarray:
        """Return the numbers that select the tokens, (answers, length); see `draw_uniforms`."""
        return draw_uniforms(self.seed, self.key, self.rows, length)

    def request_seeds(self) -> list[int]:
        """Return a seed of 60 bits for each answer, for samplers with noise of their own."""
        return [int(content_hash(self.seed, self.key, *row)[:15], 16) for row in self.rows]


class Sampler(Protocol):
    """Samples answers of the active role of a base."""

    @property
    def served(self) -> bool:
        """Return whether another program computes the answers and their log-probabilities."""
        ...

    def expect(self, length: int) -> None:
        """Announce the tokens of the longest prompt and its answer, before the first publication."""
        ...

    def publish(self, base: Base) -> None:
        """Take over the present weights of the active role. All processes of a run must call it at the same place."""
        ...

    def answer(self, base: Base, prompts: list[list[int]], noise: NoiseKey, limits: SamplingLimits) -> Rollout:
        """Answer prompts as the active role, with the weights that were published last."""
        ...


class InProcess:
    """Samples in this process, which holds the weights anyway."""

    served = False

    def expect(self, length: int) -> None:
        """Do nothing: a prompt that is too long is refused when it comes."""

    def publish(self, base: Base) -> None:
        """Do nothing: the weights are those of the base."""

    def answer(self, base: Base, prompts: list[list[int]], noise: NoiseKey, limits: SamplingLimits) -> Rollout:
        """Answer prompts by `generate`."""
        return generate(
            base,
            prompts,
            noise.uniforms(limits.max_new_tokens),
            max_new_tokens=limits.max_new_tokens,
            temperature=limits.temperature,
            banned=banned_ids(base),
            batch_size=limits.batch_size,
            bf16=limits.bf16,
        )


IN_PROCESS = InProcess()

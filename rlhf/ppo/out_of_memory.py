# SPDX-License-Identifier: Apache-2.0
"""Out-of-memory errors, turned into a message that names the settings to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labeling.texts.pages import bad_input
from reward.base.out_of_memory import is_out_of_memory
from rlhf.ppo.config import PPOConfig


@contextmanager
def explain_out_of_memory(args: PPOConfig) -> Iterator[None]:
    """Raise an out-of-memory error inside the block as BadInput that names the sizes to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if not is_out_of_memory(problem):
            raise
        size, accumulated = args.per_device_train_batch_size, args.gradient_accumulation_steps
        raise bad_input(
            "refused.ppo_memory",
            field="per_device_train_batch_size",
            answers=args.rollout_batch_size,
            tokens=args.max_new_tokens,
            size=size,
            accumulated=accumulated,
        ) from problem

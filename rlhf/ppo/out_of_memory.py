# SPDX-License-Identifier: Apache-2.0
"""Out-of-memory errors, turned into a message that names the settings to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import BadInput
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
        error = (
            f"out of memory with {args.rollout_batch_size} answers of up to {args.max_new_tokens} tokens, "
            f"{size} in a pass"
        )
        remedy = (
            f"Lower per_device_train_batch_size ({size}) and raise gradient_accumulation_steps ({accumulated}) "
            f"by the same factor, or lower rollout_batch_size ({args.rollout_batch_size}) or max_new_tokens "
            f"({args.max_new_tokens}). The last checkpoint is complete"
        )
        raise BadInput(error, remedy, field="per_device_train_batch_size") from problem

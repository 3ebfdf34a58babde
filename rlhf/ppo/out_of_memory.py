"""A want of memory, told in the words of the settings that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from data.errors import BadInput
from rlhf.ppo.config import PPOConfig

SAYINGS = ("not enough memory", "can't allocate memory")  # torch's allocator on a CPU raises a plain RuntimeError


@contextmanager
def explain_out_of_memory(args: PPOConfig) -> Iterator[None]:
    """Inside the block a want of memory is raised as BadInput that names the sizes to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if not isinstance(problem, torch.OutOfMemoryError | MemoryError) and not any(
            saying in str(problem) for saying in SAYINGS
        ):
            raise
        size, accumulated = args.per_device_train_batch_size, args.gradient_accumulation_steps
        error = f"out of memory with {args.rollout_batch_size} answers of up to {args.max_new_tokens} tokens, {size} in a pass"
        remedy = (
            f"Lower per_device_train_batch_size ({size}) and raise gradient_accumulation_steps ({accumulated}) as much, "
            f"or lower rollout_batch_size ({args.rollout_batch_size}) or max_new_tokens ({args.max_new_tokens}); the last checkpoint is whole"
        )
        raise BadInput(error, remedy, field="per_device_train_batch_size") from problem

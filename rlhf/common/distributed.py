# SPDX-License-Identifier: Apache-2.0
"""Communication between the processes of one run. In a run of one process every function returns its input.

Each process works on its shard of a rollout, then all processes hold the whole. The steps that follow (whitening, KL,
order of training, choice of the best policy, stopping) are the same arithmetic on the same numbers in each process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch.distributed as dist
from torch import Tensor

from data.errors import BadInput
from reward.base.out_of_memory import is_out_of_memory

T = TypeVar("T")


def world_size() -> int:
    """Return the number of processes of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process; 0 is the main one."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier() -> None:
    """Wait until all processes arrive here."""
    if world_size() > 1:
        dist.barrier()


def shard(count: int) -> range:
    """Return the rows of `count` that this process works on; the shards in order of rank are the whole."""
    return range(count * rank() // world_size(), count * (rank() + 1) // world_size())


def all_gather(value: T) -> list[T]:
    """Return the values of all processes in order of rank. All processes must call it at the same place."""
    if world_size() == 1:
        return [value]
    values: list[T] = [value] * world_size()
    dist.all_gather_object(values, value)
    return values


def gather_results(work: Callable[[], T]) -> list[T]:
    """Return the results of `work` of every process, in order of rank.

    Raises a BadInput of one process in all of them, so that none waits for ever. Its cause says in all of them whether
    memory ran out.
    """
    problem: BadInput | None = None
    results: list[T] = []
    try:
        results = [work()]
    except BadInput as raised:
        problem = raised
    outcomes = all_gather((problem and problem.as_json(), is_out_of_memory(problem), results))
    if problem:
        raise problem
    for other, ran_out, _ in outcomes:
        if other:
            raise BadInput(**other) from (MemoryError("in another process") if ran_out else None)
    return [result for _, _, gathered in outcomes for result in gathered]


def is_lost_process(problem: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, says that another process of this run is gone."""
    if problem is None or world_size() == 1:
        return False
    lost = isinstance(problem, dist.DistError) or (isinstance(problem, RuntimeError) and "gloo" in str(problem))
    return lost or is_lost_process(problem.__cause__)


def any_rank(flag: bool) -> bool:
    """Return whether `flag` is set in at least one process."""
    return any(all_gather(flag))


def sum_over_ranks(numbers: Mapping[str, float | Tensor]) -> dict[str, float]:
    """Return the sum over all processes, number by number."""
    parts = all_gather({name: float(number) for name, number in numbers.items()})
    return {name: sum(part[name] for part in parts) for name in numbers}

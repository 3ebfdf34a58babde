"""What the processes of one run tell each other. In a run of one process every function gives back what it was given.

Each process works on its share of a rollout and then holds the whole: what follows (whitening, KL, the order of training, which
policy is the best, when to stop) is the same arithmetic on the same numbers everywhere, and nobody needs to be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch.distributed as dist

from data.errors import BadInput

T = TypeVar("T")


def world_size() -> int:
    """How many processes work on this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 is the main one."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        dist.barrier()


def shard(count: int) -> range:
    """The rows of `count` that this process works on: neighbours, so that all shares in order of rank are the whole."""
    return range(count * rank() // world_size(), count * (rank() + 1) // world_size())


def all_gather(value: T) -> list[T]:
    """The values of all processes in order of rank, in each of them. All must ask, at the same place in the program."""
    if world_size() == 1:
        return [value]
    found: list[T] = [value] * world_size()
    dist.all_gather_object(found, value)
    return found


def gather_results(work: Callable[[], T]) -> list[T]:
    """What `work` returns in each process, in each of them. A BadInput in one is raised in all, so that none waits for ever."""
    problem, done = None, None
    try:
        done = work()
    except BadInput as found:
        problem = found
    outcomes = all_gather((problem and problem.as_json(), done))
    if problem:
        raise problem
    for other, _ in outcomes:
        if other:
            raise BadInput(**other)
    return [one for _, one in outcomes]


def any_rank(flag: bool) -> bool:
    """Whether it holds in at least one process."""
    return any(all_gather(flag))


def sum_over_ranks(numbers: Mapping[str, float]) -> dict[str, float]:
    """The sum over all processes, number by number."""
    parts = all_gather({name: float(number) for name, number in numbers.items()})
    return {name: sum(part[name] for part in parts) for name in numbers}

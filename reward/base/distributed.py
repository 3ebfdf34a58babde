# SPDX-License-Identifier: Apache-2.0
"""Communication between the processes of one run. In a run of one process every function returns its input.

Each process works on its shard, then all processes hold the whole. The steps that follow are the same arithmetic on the
same numbers in each process. Inside its shard, and inside `once`, a process works alone: there `world_size()` is 1, so
code that would wait for the others does not. The one exception are the layers of a sharded base; see
`reward.base.gathering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from data.errors import BadInput
from data.run_context import Cancelled
from reward.base.out_of_memory import is_out_of_memory

T = TypeVar("T")
Item = TypeVar("Item")
LONGEST_WAIT = timedelta(days=7)
"""The longest wait for a process that waits for servers or people. The launcher ends all processes if one dies."""
_alone = False
_help: Callable[[], None] | None = None


def connect(device: str) -> None:
    """Connect this process with the others of its launch, for a run on `device` (`cpu`, or any other)."""
    from accelerate import PartialState  # slow to import, and a run of one process does without

    PartialState(cpu=device == "cpu" or not torch.accelerator.is_available(), timeout=LONGEST_WAIT)


def world_size() -> int:
    """Return the number of processes that work together here: those of this run, or 1 inside a shard."""
    return 1 if _alone or not (dist.is_available() and dist.is_initialized()) else dist.get_world_size()


def is_alone() -> bool:
    """Return whether this process works without the others here, though the run has others."""
    return _alone


def help_others_by(helping: Callable[[], None]) -> None:
    """Let each process call `helping` when it is done with its shard, before it waits for the results of the others."""
    global _help
    _help = helping


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
    """Return the results of `work` of every process, in order of rank. Each does it alone.

    Raises a BadInput of one process in all of them, and Cancelled, so that none waits for ever. The cause of a BadInput
    says in all of them whether memory ran out.
    """
    if world_size() == 1:
        return [work()]
    problem: BadInput | Cancelled | None = None
    results: list[T] = []
    try:
        with _working_alone():
            results = [work()]
    except (BadInput, Cancelled) as raised:
        problem = raised
    if _help is not None:
        _help()
    error = problem.as_json() if isinstance(problem, BadInput) else None
    outcomes = all_gather((error, isinstance(problem, Cancelled), is_out_of_memory(problem), results))
    if problem:
        raise problem
    for other, cancelled, ran_out, _ in outcomes:
        if cancelled:
            raise Cancelled
        if other:
            raise BadInput(**other) from (MemoryError("in another process") if ran_out else None)
    return [result for *_, gathered in outcomes for result in gathered]


def map_shards(work: Callable[[list[Item]], Sequence[T]], items: Sequence[Item]) -> list[T]:
    """Return what `work` makes of the items, one result for each, in order.

    Each process works on every n-th item, so that items that are sorted by length are shared evenly. Raises as
    `gather_results`.
    """
    processes, first = world_size(), rank()
    results: list[T | None] = [None] * len(items)
    for number, shard_results in enumerate(gather_results(lambda: work(list(items[first::processes])))):
        results[number::processes] = shard_results
    return results  # type: ignore[return-value]  # the shards cover all places


def once(work: Callable[[], T]) -> T:
    """Return in every process the result of `work`, which the main process does when all of them have arrived here.

    What a process read before is therefore older than what `work` writes. Raises as `gather_results`.
    """
    if world_size() == 1:
        return work()
    barrier()
    is_main = rank() == 0
    return gather_results(lambda: work() if is_main else None)[0]  # type: ignore[return-value]  # that of the main one


@contextmanager
def _working_alone() -> Iterator[None]:
    """Let this process work without the others inside the block."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False


def is_lost_process(problem: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, says that another process of this run is gone."""
    if problem is None or not dist.is_initialized():
        return False
    lost = isinstance(problem, dist.DistError) or (isinstance(problem, RuntimeError) and "gloo" in str(problem))
    return lost or is_lost_process(problem.__cause__)


def any_rank(flag: bool) -> bool:
    """Return whether `flag` is set in at least one process."""
    return flag if world_size() == 1 else bool(_reduced(torch.tensor(int(flag)), dist.ReduceOp.MAX).item())


def sum_tensors(numbers: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, on its own device."""
    return numbers if world_size() == 1 else _reduced(numbers, dist.ReduceOp.SUM).to(numbers.device)


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows (N, ...) of all processes in order of rank; N may differ, and a number counts as a row."""
    if world_size() == 1:
        return rows
    counts = [1] * world_size()
    if rows.ndim:
        sizes = torch.zeros(world_size(), dtype=torch.long)
        sizes[rank()] = len(rows)
        counts = sum_tensors(sizes).tolist()
    rows = torch.atleast_1d(rows)
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def sum_over_ranks(numbers: Mapping[str, float | Tensor]) -> dict[str, float]:
    """Return the sum over all processes, number by number."""
    parts = all_gather({name: float(number) for name, number in numbers.items()})
    return {name: sum(part[name] for part in parts) for name in numbers}


def _reduced(numbers: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    """Return the numbers of all processes, combined; on the accelerator if the processes talk through it."""
    on_host = dist.get_backend() == "gloo"
    reduced = numbers.clone() if on_host else numbers.to(torch.accelerator.current_accelerator())
    dist.all_reduce(reduced, operation)
    return reduced

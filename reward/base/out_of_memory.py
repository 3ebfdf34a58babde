# SPDX-License-Identifier: Apache-2.0
"""Out-of-memory errors: work is done once more with passes of half the size.

A process halves its passes at most once: what fails again needs other settings.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
MESSAGES = ("not enough memory", "can't allocate memory")  # torch's allocator on a CPU raises a plain RuntimeError
_halvings = 0


def is_out_of_memory(problem: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, says that memory ran out."""
    if problem is None:
        return False
    torch = sys.modules.get("torch")  # the worker imports this module before a run needs torch
    ran_out = (
        isinstance(problem, MemoryError)
        or (torch is not None and isinstance(problem, torch.OutOfMemoryError))
        or (isinstance(problem, RuntimeError) and any(message in str(problem) for message in MESSAGES))
    )
    return ran_out or is_out_of_memory(problem.__cause__)


def halved(size: int) -> int:
    """Return the size of a pass in this process: `size`, or half of it after memory ran out; at least 1."""
    return max(1, size >> _halvings)


def split_step(rows: int) -> tuple[int, int]:
    """Return (rows in a training pass, passes in an optimizer step) whose product is `rows`.

    After memory ran out a step takes two passes, or as many as the smallest divisor of `rows`.
    """
    passes = next((number for number in range(2, rows + 1) if rows % number == 0), 1) if _halvings else 1
    return rows // passes, passes


def halve_passes() -> None:
    """Halve the passes of this process from now on, as `retry_halved` does."""
    global _halvings
    _halvings += 1


def retry_halved(work: Callable[[], T]) -> T:
    """Return the result of `work`; if memory runs out, free memory, halve the passes of this process, and try again.

    Raises the error if the passes are halved already.
    """
    try:
        return work()
    except Exception as problem:  # torch and a library's own wrapper raise different types
        if _halvings or not is_out_of_memory(problem):
            raise
        log.warning("memory ran out; trying again with passes of half the size: %s", problem)
    halve_passes()
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
    return work()

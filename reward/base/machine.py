# SPDX-License-Identifier: Apache-2.0
"""The machine a run works on: its memory, what of it was taken, and the libraries used, for reports and lineage."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from importlib.metadata import version

TRIM_THRESHOLD, MMAP_THRESHOLD = (-1, 2**28), (-3, 2**25)
"""Numbers in glibc's malloc.h, and bytes.

The free memory to retain, and from what size on a block is the system's own, which is returned at once.
"""
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def peak_mb() -> float:
    """Return the most memory this process held so far, in MB.

    On the GPU where torch is loaded and has one, else resident.
    """
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def megabytes(maxrss: int) -> float:
    """Return a process's largest resident size in MB: Linux counts it in KiB, macOS in bytes."""
    return round(maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)


def keep_freed_memory() -> bool:
    """Have this process keep freed memory, a quarter of a GiB at the end of its heap, for what it needs next.

    False where its C library cannot.

    A training pass frees and takes the same hundreds of megabytes over and over. Unasked, glibc gives it back to
    the system each time, and a tenth to a quarter of a pass on a CPU goes into having them handed out again, page
    by page (docs/benchmarks.md).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) for setting in (TRIM_THRESHOLD, MMAP_THRESHOLD))


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that training depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}

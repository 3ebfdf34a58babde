# SPDX-License-Identifier: Apache-2.0
"""The machine of a run: its peak memory, the allocator's settings and the library versions, for reports and lineage."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt: the free memory to retain, and the size from which a block is mapped on its own.

Freeing such a block returns it to the system at once.
"""
RETAINED, MAPPED, MAPPED_BESIDE_BASE = 2**28, 2**25, 2**22
"""Their values in bytes; the last one beside a larger base."""
MEDIUM_BASE, LARGE_BASE = 2**26, 2**28
"""Bytes of the weights of a base beside which freed blocks return: in general, and in PPO, which repeats its passes."""
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files with a container's memory limit and its use."""
PROCESS = Path("/proc/self/status")
"""Linux's figures of this process, in KiB."""
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def peak_mb() -> float:
    """Return the most memory this process has held, in MB: on the GPU if it used one, else resident."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available() and (used := torch.cuda.max_memory_allocated()):
        return round(used / 2**20, 1)
    if PROCESS.is_file():
        # getrusage would count the process that started this one too: Linux carries its peak over exec
        return round(int(PROCESS.read_text().split("VmHWM:")[1].split()[0]) / 2**10, 1)
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def megabytes(maxrss: int) -> float:
    """Convert a process's largest resident size to MB: Linux counts it in KiB, macOS in bytes."""
    return round(maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)


def free_host_bytes() -> int:
    """Return the memory that programs can still take on this machine, or in the container around this process."""
    limits = [
        int(limit) - int(Path(used).read_text())
        for path, used in CGROUPS
        if Path(path).is_file() and (limit := Path(path).read_text().strip()).isdigit()
    ]
    return min([psutil.virtual_memory().available, *limits])


def keep_freed_memory(base_bytes: int = 0, larger: int = MEDIUM_BASE) -> bool:
    """Make this process retain up to a quarter of a GiB of freed memory. Return False if its C library cannot.

    A training pass allocates and frees the same hundreds of megabytes again and again. By default glibc returns them
    to the system each time. Mapping them again, page by page, costs a tenth to a quarter of a pass of a small base on
    a CPU (docs/benchmarks.md). Beside a base of `larger` and more bytes the tensors are large themselves: retained,
    the holes between them took up to several times the memory of a pass (docs/notes/measurements.md).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    mapped = MAPPED if base_bytes < larger else MAPPED_BESIDE_BASE
    return mallopt is not None and all([mallopt(TRIM_THRESHOLD, RETAINED), mallopt(MMAP_THRESHOLD, mapped)])


def cpu_features() -> list[str]:
    """Return the CPU's instructions that decide the speed of torch, such as avx2; none if it is unknown."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    return [name for name in FEATURES if f" {name} " in flags or f" {name}\n" in flags]


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that training depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}

# SPDX-License-Identifier: Apache-2.0
"""The CPU, memory and GPU memory that a run's processes use at the moment."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import psutil

MeterError = psutil.Error
"""The system refuses to tell, or the process has ended."""


class Meter:
    """Measures a process and its descendants; this process by default."""

    def __init__(self, pid: int | None = None) -> None:
        self._root = psutil.Process(pid)
        self._at, self._worked = time.monotonic(), self._read()[0]

    def read(self) -> dict[str, float]:
        """Return the share of one core that was used since the last call, in percent, and the memory now, in MB.

        `gpu_mb` and `gpu_total_mb` come with them if this process uses a GPU.
        """
        at, (worked, resident) = time.monotonic(), self._read()
        seconds = max(at - self._at, 1e-3)
        share = max(0.0, worked - self._worked) / seconds  # a process that ended takes its seconds along
        self._at, self._worked = at, worked
        used = {"cpu_percent": 100 * share, "cores": float(psutil.cpu_count() or 1), "memory_mb": resident / 2**20}
        return used | gpu_memory()

    def _read(self) -> tuple[float, int]:
        """Return the seconds of CPU and the resident bytes of all processes."""
        worked, resident = 0.0, 0
        for process in [self._root, *self._children()]:
            with suppress(MeterError):
                times = process.cpu_times()
                worked += times.user + times.system
                resident += process.memory_info().rss
        return worked, resident

    def _children(self) -> list[psutil.Process]:
        try:
            return self._root.children(recursive=True)
        except MeterError:
            return []


def gpu_memory() -> dict[str, float]:
    """Return the memory that this process holds on its GPUs and the size of them, in MB; nothing without one.

    It reads what torch knows. It neither loads torch nor starts the GPU.
    """
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    if not (hasattr(cuda, "is_initialized") and cuda.is_initialized()):
        return {}
    used = {device: cuda.memory_reserved(device) for device in range(cuda.device_count())}
    total = sum(cuda.get_device_properties(device).total_memory for device, held in used.items() if held)
    return {"gpu_mb": sum(used.values()) / 2**20, "gpu_total_mb": total / 2**20} if total else {}

"""The machine a run works on: the memory it took and the libraries it used, for reports and lineage."""

from __future__ import annotations

import platform
import resource
import sys
from importlib.metadata import version

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def peak_mb() -> float:
    """The most memory this process held so far, in MB: on the GPU where torch is loaded and has one, else resident."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def megabytes(maxrss: int) -> float:
    """A process's largest resident size in MB: Linux counts it in KiB, macOS in bytes."""
    return round(maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that training depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}

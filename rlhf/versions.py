"""Which libraries made a model: kept with every policy and reward model."""

from __future__ import annotations

import platform
from importlib.metadata import version

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that training depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}

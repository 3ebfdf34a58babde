# SPDX-License-Identifier: Apache-2.0
"""Replace `forward` of some modules inside a block. Relies on torch calling `forward` as an attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def replaced_forward(modules: Iterable[nn.Module], forward: Callable[..., object]) -> Iterator[None]:
    """Give the modules this `forward` inside the block and restore each module's own afterwards."""
    patched = [(module, vars(module).get("forward")) for module in modules]
    try:
        for module, _ in patched:
            module.forward = forward
        yield
    finally:
        for module, former in patched:
            vars(module).pop("forward", None)
            if former is not None:
                module.forward = former

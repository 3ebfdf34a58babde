# SPDX-License-Identifier: Apache-2.0
"""Counts of what a GPU would wait for or launch, made on a CPU: host synchronisations and dispatched operations.

A host synchronisation is a value that Python reads from a tensor, or an operation whose output shape depends on values.
A CPU does not need them to be rare, but it runs the same program, so the counts hold for a GPU. Tensors that stay on the
host in both cases (ids, tables of a rollout) are counted too: `sites` tells them apart.
"""

from __future__ import annotations

import traceback
from collections import Counter
from types import TracebackType
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

READS = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "__contains__")
"""Methods of a tensor that bring values to the host."""
SHAPED_BY_VALUES = (
    "nonzero",
    "masked_select",
    "unique",
    "_unique2",
    "_local_scalar_dense",
    "equal",
    "repeat_interleave",
)
SKIPPED = ("tests/gpu/host_syncs.py", "/torch/", "unittest")


class HostSyncs(TorchDispatchMode):
    """Inside the block: `sites` counts synchronisations by `file:line`, `operations` counts dispatched operations."""

    def __init__(self) -> None:
        super().__init__()
        self.sites: Counter[str] = Counter()
        self.operations = 0
        self._reading = False
        self._patches = [patch.object(Tensor, name, self._counted(getattr(Tensor, name))) for name in READS]

    @property
    def total(self) -> int:
        return sum(self.sites.values())

    def __enter__(self) -> HostSyncs:
        for patched in self._patches:
            patched.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for patched in self._patches:
            patched.stop()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations += 1
        name = function.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if not self._reading and (by_mask or name in SHAPED_BY_VALUES):
            self.sites[_site()] += 1
        return function(*args, **(kwargs or {}))

    def _counted(self, method):
        def read(tensor, *args, **kwargs):
            if self._reading:  # one read may call another
                return method(tensor, *args, **kwargs)
            self.sites[_site()] += 1
            self._reading = True
            try:
                return method(tensor, *args, **kwargs)
            finally:
                self._reading = False

        return read


def _site() -> str:
    """Return file and line of the innermost call outside torch."""
    frames = [frame for frame in traceback.extract_stack() if not any(part in frame.filename for part in SKIPPED)]
    return f"{'/'.join(frames[-1].filename.split('/')[-2:])}:{frames[-1].lineno}"

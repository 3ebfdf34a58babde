# SPDX-License-Identifier: Apache-2.0
"""Bases read by parts and as a whole, under `accelerate launch`: `python -m tests.support.processes.read_parts FOLDER [ADAPTER]`.

Each base in FOLDER is read in the dtype that begins its name. FOLDER/rank0.json and FOLDER/rank1.json have what each
process found.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # a dispatch mode sees one thread

from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.placement import DTYPES, Placement
from reward.base.sharding import held_numbers, is_sharded
from rlhf.models.finetuning import merge_adapter


class Alive(TorchDispatchMode):
    """Count the bytes of all tensors that exist at once, and keep the most."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.most, self.seen = 0, 0, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and not isinstance(x, DTensor) and x.device.type == "cpu":
                self.count(x.untyped_storage())
        return result

    def count(self, storage):
        if storage._cdata not in self.seen:
            self.seen.add(storage._cdata)
            self.bytes += storage.nbytes()
            self.most = max(self.most, self.bytes)
            weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())

    def forget(self, key, size):
        self.seen.discard(key)
        self.bytes -= size


def describe(base: Base, adapter: Path | None) -> dict:
    """Return what a base computes, alone and with an adapter merged into it."""
    ids, mask = base.collate([[5, 6, 7, 8], [9, 10]])
    found = {"fingerprint": base.fingerprint["base"], "former": base.former_fingerprint["base"]}
    found |= {"held": held_numbers(base.causal), "sharded": is_sharded(base.causal)}
    with torch.no_grad():
        found["logits"] = base.logits(base.hidden(ids, mask)).sum(1).tolist()
        if adapter is not None:
            base.add_adapter("parent", adapter)
            merge_adapter(base, "parent")
            found["merged"] = base.logits(base.hidden(ids, mask)).sum(1).tolist()
            found["adapters"] = [name for name, _ in base.causal.named_parameters() if "lora" in name]
    return found


def main(folder: Path) -> None:
    """Read every base twice."""
    distributed.connect("cpu")
    report = {}
    for place in sorted(path for path in folder.iterdir() if (path / "config.json").is_file()):
        dtype, adapter = DTYPES[place.name.partition("-")[0]], place / "adapter"
        for sharded in (False, True):
            with Alive() as alive:
                base = Base.load(place, placement=Placement(dtype=dtype, sharded=sharded))
            report[f"{place.name} {sharded}"] = {"most": alive.most} | describe(
                base, adapter if adapter.is_dir() else None
            )
            del base
    (folder / f"rank{distributed.rank()}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

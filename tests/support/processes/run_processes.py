# SPDX-License-Identifier: Apache-2.0
"""Runs of a home one after the other, as a worker does them: `python -m tests.support.processes.run_processes HOME STOPPED 1 2 3`.

Under `accelerate launch` the processes share every run. The first run that does not end as it should ends them all.
STOPPED is a run whose last process alone is asked to stop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

from data.store import Store
from reward.base import distributed, placement
from reward.base.bf16_probe import Rates
from reward.base.patches import muon_float32
from rlhf.kinds import find_kind
from rlhf.online.labels import LabelStream
from rlhf.runs.worker import assist, silence_libraries, work
from tests.support.online import Desk


def fix_what_varies(store: Store, is_main: bool, patch: Callable[[object, str, object], None] = setattr) -> None:
    """Compute in float32 on any machine, and let a labeler answer whenever an online run waits."""
    for module in (placement, muon_float32):
        patch(module, "cpu_rates", lambda: Rates(float32=2.0, bfloat16=1.0))
    patch(LabelStream.__init__, "__defaults__", (lambda: Desk(store, labelers=1).answer() if is_main else None,))


def do_runs(home: str, stopped: int, ids: list[int]) -> None:
    """Do the runs in this process, or this process's share of them."""
    rank = int(os.environ["RANK"])
    store = Store(home, read_only=rank > 0)
    fix_what_varies(store, is_main=not rank)
    for id in ids:
        run = store.runs.get(id)
        asked = replace(run, cancel_requested=id == stopped and rank > 0)
        outcome = (assist if rank else work)(store, asked, find_kind(run.kind))
        if outcome != ("cancelled" if id == stopped else "done"):
            raise SystemExit(f"{run.public} ({run.kind}) is {outcome}: {store.runs.get(id).error}")
        distributed.barrier()
    store.close()


if __name__ == "__main__":
    silence_libraries()
    do_runs(sys.argv[1], *map(int, sys.argv[2:3]), list(map(int, sys.argv[3:])))

# SPDX-License-Identifier: Apache-2.0
"""PPO twice, under `accelerate launch`: `python -m tests.support.processes.sharded_ppo FOLDER '{"updates": 2, ...}'`.

FOLDER/ddp is of a run whose processes hold the whole base, FOLDER/sharded of one whose base is sharded. FOLDER/resumed
continues from the latter's first checkpoint.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from reward.base import distributed
from rlhf.ppo.checkpoint import checkpoints
from tests.support.processes.ppo_process import main


def do_runs(folder: Path, **options) -> None:
    """Do the three runs in turn. FOLDER holds a base and an adapter to start from."""
    distributed.connect("cpu")
    for name, sharded in (("ddp", False), ("sharded", True), ("resumed", True)):
        distributed.once(lambda to=folder / name: prepare(folder, to))
        main(folder / name, shard_base=sharded, resume=name == "resumed", **options)


def prepare(folder: Path, to: Path) -> None:
    """Copy what a run begins with."""
    for part in ("llama", "start"):
        shutil.copytree(folder / part, to / part)
    if to.name == "resumed":
        first = checkpoints(folder / "sharded" / "ppo")[0]
        shutil.copytree(first, to / "ppo" / first.name)


if __name__ == "__main__":
    do_runs(Path(sys.argv[1]), **json.loads(sys.argv[2]))

# SPDX-License-Identifier: Apache-2.0
"""A worker of the tiny training: `python tests/support/jobs/node.py FOLDER SERVER TOKEN NODE`.

With the arguments of `preference-loop worker` it is the command of a job on a cluster.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from rlhf.jobs import commands
from tests.support import ROOT
from tests.support.jobs import tiny_training
from tests.support.jobs.tiny_training import HOLD, HOLD_AT, PAUSE


def start_node(
    folder: Path, server: str, token: str, *, hold: Path | None = None, at: int = 0, pause: float = 0, once: bool = True
) -> subprocess.Popen:
    """Start a worker whose run waits at step `at` for the file `hold`; it does one run, unless it is not `once`."""
    command = [sys.executable, __file__, str(folder), server, token, folder.name, *(["once"] if once else [])]
    held = {HOLD: str(hold), HOLD_AT: str(at)} if hold else {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", PAUSE: str(pause), **held}
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)


def outcome(process: subprocess.Popen) -> dict:
    """Wait for the end of a worker and return the document of its run."""
    output, _ = process.communicate(timeout=120)
    return json.loads(output)


if __name__ == "__main__":
    commands.STEP_SECONDS = commands.CLAIM_SECONDS = 0.05
    if sys.argv[1] == "worker":
        parser = argparse.ArgumentParser()
        parser.add_argument("--home", type=Path, required=True)
        commands.add_worker_arguments(parser)
        args = parser.parse_args(sys.argv[2:])
        moved = commands.read_bases(args.base)
        given = [args.home, args.server, os.environ[commands.TOKEN], "ray-node", "once"]
    else:
        moved, given = {}, sys.argv[1:]
    folder, server, token, name, *once = given
    worker = commands.Worker(Path(folder), server, token, name, tiny_training.command)
    worker.moved = moved
    signal.signal(signal.SIGTERM, worker.end)
    print(json.dumps(worker.work(once=bool(once))))

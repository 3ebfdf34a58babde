# SPDX-License-Identifier: Apache-2.0
"""Runs of a home, and how much of the model each process holds: `python -m tests.support.processes.sharded_runs HOME STOPPED 1 2`.

The arguments are those of `run_processes`. Each optimizer step prints a line: held, the trainer's folder, the numbers.
"""

from __future__ import annotations

import sys

from transformers import TrainerCallback, trainer

from reward.base.sharding import held_numbers
from rlhf.runs.worker import silence_libraries
from tests.support.processes.run_processes import do_runs


class Held(TrainerCallback):
    """Print how many numbers of the model this process holds."""

    def on_step_end(self, args, state, control, model, **_):
        print(f"held {args.output_dir} {held_numbers(model)}\n", end="", flush=True)


if __name__ == "__main__":
    silence_libraries()
    trainer.DEFAULT_CALLBACKS.append(Held)
    do_runs(sys.argv[1], *map(int, sys.argv[2:3]), list(map(int, sys.argv[3:])))

# SPDX-License-Identifier: Apache-2.0
"""The processes of one run: accelerate starts them together, and they end together.

A process whose memory runs out cannot try again alone: the others wait for it, often inside a library. It leaves a mark
in the run's folder and ends; the launcher ends the others, then starts all of them once more with half the pass. They
continue from the checkpoint. A process that dies without a mark ends the run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from data.errors import BadInput, show_controls
from data.logs import LOG
from data.records import Run
from data.settings import parse_settings
from data.store import Store
from labeling.texts.pages import bad_input
from reward.placement_settings import DeviceSettings
from rlhf.common.out_of_memory import explain_out_of_memory, name_sizes
from rlhf.kinds import Kind, find_kind
from rlhf.runs.processes.plan import plan_processes

UNDER_LAUNCHER = "RANK" in os.environ
"""True if accelerate's launcher started this process. torch names its number RANK."""
HALF_PASSES = "--half-passes"
"""Argument of a worker whose passes are halved from the start."""
MARK = "out-of-memory"
"""File in the run's folder: memory ran out in one of the processes."""
CONFIG = "accelerate.json"
"""File in the run's folder: how accelerate started its processes."""


class LeftToLauncher(Exception):
    """This process ends without writing the run's end: the launcher decides for all processes."""


def leave_to_launcher(folder: Path, *, ran_out: bool) -> LeftToLauncher:
    """Return the exception with which this process ends; note in the run's `folder` whether its memory ran out."""
    if ran_out:
        (folder / MARK).touch()
    return LeftToLauncher()


def is_ending(folder: Path) -> bool:
    """Return whether memory ran out in a process of the run, so that the launcher is ending all of them."""
    return UNDER_LAUNCHER and (folder / MARK).exists()


def processes_of(store: Store, run: Run, kind: Kind, *, halved: bool) -> dict[str, Any]:
    """Return accelerate's configuration for the run's processes on this machine, empty if it has one process.

    A run that is tried again with half the pass (`halved`) continues from its checkpoint, as a resumed one does.

    Raises BadInput for processes that cannot share the run.
    """
    settings = parse_settings(kind.settings_class(), run.settings)
    if not isinstance(settings, DeviceSettings):
        return {}
    import torch  # loaded by the run anyway

    resumes = run.resumes is not None or halved
    return plan_processes(store.home, settings, torch.cuda.device_count(), resumes=resumes)


def launch_processes(store: Store, run: Run, config: dict[str, Any], *, halved: bool) -> str:
    """Start the run's processes by accelerate, wait for their end, and return the run's state.

    The run's folder keeps the configuration.

    If memory ran out in one of them, this process becomes a launcher of processes with half the pass. If that happened
    before (`halved`), or if a process died, it writes the run's end.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser  # with torch
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    folder = (store.home / "runs" / str(run.id)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    mark = folder / MARK
    mark.unlink(missing_ok=True)
    worker = ["-m", "rlhf.runs.worker", str(run.id), "--home", str(store.home.resolve())]
    given = ["--config_file", str(folder / CONFIG), *worker, *([HALF_PASSES] if halved else [])]
    failed = None
    try:
        launch_command(launch_command_parser().parse_args(given))
    except ChildFailedError as problem:
        failed = problem.get_first_failure()
    ended = store.runs.get(run.id)
    ran_out = mark.exists()
    mark.unlink(missing_ok=True)
    if ended.state != "running" or ended.cancel_requested:
        return "cancelled" if ended.state == "running" else ended.state
    if ran_out and not halved:
        LOG.warning("memory ran out in a process: all of them start again with passes of half the size")
        store.close()
        os.execv(sys.executable, [sys.executable, *worker, HALF_PASSES])
    error = _explain_end(store, run, ran_out, failed and (failed[0], failed[1].exitcode))
    print(show_controls(str(error)), flush=True)
    return store.runs.finish(run.id, "failed", error=str(error)).state


def _explain_end(store: Store, run: Run, ran_out: bool, failed: tuple[int, int] | None) -> BadInput:
    """Return the error of a run whose processes ended without writing its end; `failed`: (rank, exit status)."""
    kind = find_kind(run.kind)
    settings = parse_settings(kind.settings_class(), run.settings)
    if ran_out:
        return explain_out_of_memory(kind.name, settings)
    log = store.home / "runs" / str(run.id) / "log.txt"
    rank, status = failed or (0, 0)
    if status == -signal.SIGKILL:
        return bad_input("refused.process_killed", rank=rank, sizes=name_sizes(kind.name, settings))
    how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
    return bad_input("refused.process_ended", rank=rank, how=how, log=log)

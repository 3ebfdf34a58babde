# SPDX-License-Identifier: Apache-2.0
"""A run's own process: `python -m rlhf.runs.worker RUN --home DIR`.

It writes the run's end: done, failed or cancelled. Its output goes to runs/RUN/log.txt.

If several processes share the run, this process launches them: see `rlhf.runs.processes`. The first one is the run's
main process; the others open the store to read.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

from data.errors import BadInput, StoreTrouble, show_controls
from data.logs import LOG, limit_repeats
from data.records import Run
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import Settings, parse_settings
from data.sqlite.disk_full import is_disk_full
from data.store import Store
from data.tables.process_identity import identify_process
from reward.base.machine import keep_freed_memory, peak_mb
from reward.base.out_of_memory import halve_passes, is_out_of_memory, retry_halved
from reward.base.usage import Meter, MeterError
from rlhf.common.library_warnings import silence_libraries
from rlhf.common.out_of_memory import explain_out_of_memory
from rlhf.kinds import Kind, find_kind
from rlhf.runs.launch import has_checkpoint, judge_trained
from rlhf.runs.processes.context import SecondaryContext, SharedContext
from rlhf.runs.processes.launcher import (
    HALF_PASSES,
    UNDER_LAUNCHER,
    LeftToLauncher,
    is_ending,
    launch_processes,
    leave_to_launcher,
    processes_of,
)

HEARTBEAT_SECONDS = 5.0
"""Seconds between two heartbeats in the store."""
EXIT = {"done": 0, "failed": 1, "cancelled": 3, "unwritten": os.EX_IOERR}


def work(store: Store, run: Run, kind: Kind) -> str:
    """Do the run and write its end; return the state, or "unwritten" if the disk is full.

    SIGTERM asks the run to stop, from before torch is imported.
    """
    store.runs.start(run.id, *identify_process(os.getppid() if UNDER_LAUNCHER else None))
    ended = threading.Event()
    threading.Thread(target=_send_heartbeats, args=(store, run.id, ended), daemon=True).start()
    try:
        result = _run_in_memory((SharedContext if UNDER_LAUNCHER else RunContext)(store, run), kind)
        report = {"peak_mb": peak_mb()} | judge_trained(store, run, result.report)
        return store.runs.finish(run.id, "done", produced=result.produced, report=report).state
    except Cancelled:
        judge_trained(store, run, {})  # an online run publishes its policy when somebody stops it
        return store.runs.finish(run.id, "cancelled").state
    except LeftToLauncher:
        return "failed"
    except Exception as problem:
        return _record_failure(store, run, problem)
    finally:
        ended.set()


def _run_in_memory(context: RunContext, kind: Kind) -> RunResult:
    """Do the run; if memory runs out, once more from its checkpoint or its start with passes of half the size.

    Raises BadInput if it runs out again. One of several processes leaves that to the launcher, and so it does when
    another one is gone.
    """
    settings = parse_settings(kind.settings_class(), context.run.settings)

    def work() -> RunResult:
        return kind.runner()(context, settings)

    if UNDER_LAUNCHER:
        _connect(context, settings)
    try:
        return work() if UNDER_LAUNCHER else retry_halved(work)
    except Exception as problem:
        ran_out = is_out_of_memory(problem)
        if UNDER_LAUNCHER and (ran_out or is_ending(context.folder) or _is_lost_process(problem)):
            traceback.print_exc()
            raise leave_to_launcher(context.folder, ran_out=ran_out) from problem
        if not ran_out:
            raise
        raise explain_out_of_memory(kind.name, settings) from problem


def _connect(context: RunContext, settings: Settings) -> None:
    """Connect this process with the others of the run; they find the checkpoint of a resumed run complete."""
    from reward.base.distributed import connect  # with torch

    connect(getattr(settings, "device", ""))
    if context.run.resumes is not None:
        context.once(context.checkpoints)


def _is_lost_process(problem: Exception) -> bool:
    from reward.base.distributed import is_lost_process  # with torch

    return is_lost_process(problem)


def assist(store: Store, run: Run, kind: Kind) -> str:
    """Do a share of the run without writing to the store; return the outcome for the exit status."""
    try:
        _run_in_memory(SecondaryContext(store, run), kind)
    except Cancelled:
        return "cancelled"
    except LeftToLauncher:
        return "failed"
    except BadInput as problem:
        print(show_controls(str(problem)), flush=True)
        return "failed"
    return "done"


def main(argv: list[str] | None = None) -> int:
    """Do the run. Exit status: 0 done, 1 failed, 3 cancelled.

    A run that has ended or was never claimed is left alone.
    """
    parser = argparse.ArgumentParser(prog="rlhf.runs.worker")
    parser.add_argument("run", type=int)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument(HALF_PASSES, action="store_true")
    args = parser.parse_args(argv)
    silence_libraries()
    limit_repeats()
    keep_freed_memory()
    is_main = not int(os.environ.get("RANK", 0))
    store = Store(args.home, read_only=not is_main)
    run = store.runs.get(args.run)
    if run.state != "running":
        print(f"{run.public} is {run.state}: nothing to do")
        return 1
    kind = find_kind(run.kind)
    if UNDER_LAUNCHER:
        threading.Thread(target=_exit_with, args=(os.getppid(),), daemon=True).start()
    else:
        try:
            config = processes_of(store, run, kind, halved=args.half_passes)
        except BadInput as problem:
            return EXIT[_record_failure(store, run, problem)]
        if config:
            return EXIT.get(launch_processes(store, run, config, halved=args.half_passes), 1)
    if args.half_passes:
        halve_passes()
    return EXIT[(work if is_main else assist)(store, run, kind)]


def _exit_with(launcher: int) -> None:
    """End this process when its launcher is gone: the run counts as lost by then."""
    while os.getppid() == launcher:
        time.sleep(HEARTBEAT_SECONDS)
    os._exit(EXIT["failed"])


def _record_failure(store: Store, run: Run, problem: Exception) -> str:
    """Write the end of a run that raised `problem`; return its state, or "unwritten" if the disk is full."""
    full = is_disk_full(problem)
    if full:
        error = _disk_full_message(store, run)
    else:
        error = str(problem) if isinstance(problem, BadInput) else f"{type(problem).__name__}: {problem}"
    with suppress(OSError):  # the log may lie on the full disk
        if not isinstance(problem, BadInput):
            traceback.print_exception(problem)
        print(show_controls(error), flush=True)
    try:
        return store.runs.finish(run.id, "failed", error=error).state
    except StoreTrouble:
        if not full:
            raise
        return "unwritten"


def _disk_full_message(store: Store, run: Run) -> str:
    next_step = (
        f"continue from its checkpoint: preference-loop runs resume {run.public}"
        if has_checkpoint(store, run)
        else "start the run again"
    )
    return f"the disk is full; rows stored before are safe. Free some space, then {next_step}"


def beat(store: Store, run_id: int, meter: Meter | None) -> Meter:
    """Record that the run is alive, and what its processes use. Return the meter; without one, start to measure."""
    store.runs.heartbeat(run_id)
    if meter is None:
        return Meter(os.getppid() if UNDER_LAUNCHER else None)
    store.metrics.record_usage(run_id, meter.read())
    return meter


def _send_heartbeats(store: Store, run_id: int, ended: threading.Event) -> None:
    meter = None
    while not ended.wait(HEARTBEAT_SECONDS):  # the run has just written its start
        try:
            meter = beat(store, run_id, meter)
        except (StoreTrouble, MeterError):
            continue
        except Exception:  # the thread must live as long as the run
            LOG.exception("a heartbeat of the run failed")


if __name__ == "__main__":
    raise SystemExit(main())

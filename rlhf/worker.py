"""A run's own process: `python -m rlhf.worker RUN --home DIR`.

It owns the run's end: done, failed or cancelled is written here. Whatever is printed goes to runs/RUN/log.txt.
"""

from __future__ import annotations

import argparse
import os
import threading
import traceback
import warnings
from pathlib import Path

from data.context import Cancelled, RunContext
from data.errors import BadInput
from data.processes import identity
from data.records import Run
from data.settings import parse_settings
from data.store import Store
from rlhf.kinds import Kind, kind_named

BEAT = 5.0
"""Seconds between two signs of life in the store."""
CHATTER = (
    (FutureWarning, r"transformers\b"),
    (UserWarning, r"peft\b"),
    (UserWarning, r"torch\.utils\.data\b"),
)
"""Warnings of libraries about each other, by category and module: nobody who reads a run's log can act on them."""
EXIT = {"done": 0, "failed": 1, "cancelled": 3}


def work(store: Store, run: Run, kind: Kind) -> str:
    """Do the run and write its end; returns the state. SIGTERM is taken as the wish to stop before torch is imported."""
    store.runs.start(run.id, *identity())
    threading.Thread(target=_beat, args=(store, run.id), daemon=True).start()
    try:
        settings = parse_settings(kind.settings_class(), run.settings)
        result = kind.runner()(RunContext(store, run), settings)
    except Cancelled:
        return store.runs.finish(run.id, "cancelled").state
    except BadInput as problem:
        return _failed(store, run, str(problem))
    except Exception as problem:
        traceback.print_exc()
        return _failed(store, run, f"{type(problem).__name__}: {problem}")
    return store.runs.finish(run.id, "done", produced=result.produced, report=result.report).state


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 3 cancelled. A run that is not its to do (ended, or never claimed) it leaves alone."""
    parser = argparse.ArgumentParser(prog="rlhf.worker")
    parser.add_argument("run", type=int)
    parser.add_argument("--home", type=Path, required=True)
    args = parser.parse_args(argv)
    keep_quiet()
    store = Store(args.home)
    run = store.runs.get(args.run)
    if run.state != "running":
        print(f"{run.public} is {run.state}: nothing to do")
        return 1
    return EXIT[work(store, run, kind_named(run.kind))]


def keep_quiet() -> None:
    """Keep the libraries' chatter and progress bars out of the log. Call before they are imported: they look once."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    for category, module in CHATTER:
        warnings.filterwarnings("ignore", category=category, module=module)


def _failed(store: Store, run: Run, error: str) -> str:
    print(error, flush=True)
    return store.runs.finish(run.id, "failed", error=error).state


def _beat(store: Store, run_id: int) -> None:
    pause = threading.Event()
    while not pause.wait(BEAT):
        store.runs.beat(run_id)


if __name__ == "__main__":
    raise SystemExit(main())

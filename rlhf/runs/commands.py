# SPDX-License-Identifier: Apache-2.0
"""`preference-loop runs` and `supervise`, and the documents and lines about runs that other commands print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Run
from data.store import Store
from rlhf.runs import supervisor
from rlhf.runs.launch import follow, resume, run_document

BY = "command line"
"""The name under which a command starts a run."""


def add_runs_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `runs`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "cancel", "resume"),
        default="list",
        help="list all runs, or show, cancel or resume the run ID (default %(default)s)",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the run to show, cancel or resume, such as run17")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="with resume: wait for the end of the run; Ctrl-C stops only the waiting (default: do not wait)",
    )


def cmd_runs(args: argparse.Namespace) -> dict[str, Any]:
    """List the runs, or show, cancel or resume one."""
    store = open_store(args)
    if args.action != "list" and args.id is None:
        raise BadInput(
            f"runs {args.action} needs a run", f"Name one: preference-loop runs {args.action} run17", field="id"
        )
    if args.action == "list":
        return {
            "runs": [run_document(run) | {"kind": run.kind, "created_at": run.created_at} for run in store.runs.all()]
        }
    run_id = parse_id(args.id, RUN)
    if args.action == "resume":
        run = resume(store, run_id, by=BY)
        return run_document(wait_for(store, run) if args.wait else run)
    if args.action == "cancel":
        store.runs.request_cancel(run_id)
        supervisor.ensure(store.home)
    run = store.runs.get(run_id)
    detail = {
        "kind": run.kind,
        "settings": run.settings,
        "report": run.report,
        "done": run.done,
        "total": run.total,
        "note": run.note,
    }
    return {"runs": [run_document(run) | detail]}


def cmd_supervise(args: argparse.Namespace) -> None:
    """Start queued runs until nothing is queued or running and no server holds this home."""
    supervisor.supervise(open_store(args).home)


def wait_for(store: Store, run: Run) -> Run:
    """Follow the run; Ctrl-C stops the waiting, never the run."""
    try:
        return follow(store, run.id, _progress_line())
    except KeyboardInterrupt:
        print(f"\n{run.public} continues. See it with: preference-loop runs show {run.public}", file=sys.stderr)
        return store.runs.get(run.id)


def _progress_line() -> Callable[[Run], None]:
    """Return a watcher that prints the run's progress to stderr whenever it changes."""
    last = ""

    def show(run: Run) -> None:
        nonlocal last
        share = f" {run.done}/{run.total}" if run.total else ""
        line = f"{run.public} {run.kind} {run.state}{share} {run.note}".rstrip()
        if line != last:
            print(line, file=sys.stderr, flush=True)
            last = line

    return show


def render_outcome(document: dict) -> str:
    """Return one line about a run."""
    produced = f": {', '.join(document['produced'])}" if document["produced"] else ""
    error = f": {document['error']}" if document.get("error") else ""
    return f"{document['run']} {document['status']}{produced}{error}"


def render_runs(document: dict) -> str:
    """Return a line per run; for one run its settings as well."""
    if "runs" not in document:
        return render_outcome(document)
    lines = [f"{render_outcome(run)}  ({run['kind']})" for run in document["runs"]]
    if len(document["runs"]) == 1 and "settings" in document["runs"][0]:
        run = document["runs"][0]
        lines += [f"  {key} = {value}" for key, value in run["settings"].items()]
    return "\n".join(lines) or "no runs yet"

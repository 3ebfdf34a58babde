# SPDX-License-Identifier: Apache-2.0
"""`preference-loop runs` and `supervise`, and the documents and lines about runs that other commands print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

from data.cli import open_store, print_text
from data.clock import now
from data.errors import BadInput
from data.ids import RUN, parse_id
from data.logs import limit_repeats
from data.records import Note, Run
from data.store import Store
from reward.placement_settings import LAUNCHERS
from rlhf.common.estimate import format_duration, stalled_seconds
from rlhf.runs import supervisor
from rlhf.runs.disk_use import KEEP, count_bytes, format_bytes, list_removals, prune, run_folder
from rlhf.runs.launch import follow, resume, run_document
from rlhf.runs.note_command import add_note_arguments, describe_note, note_document, note_thing, render_note
from rlhf.runs.webhook import read_webhook, write_webhook

BY = "command line"
"""The name under which a command starts a run."""


def add_runs_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `runs`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "cancel", "resume", "note", "webhook", "worker-token", "prune"),
        default="list",
        help="list all runs; show, cancel or resume the run ID; note: name or tag the run, policy or reward model ID;"
        " webhook: send the end of each run to the address ID, '' for none;"
        " worker-token: make a token for the worker called ID, in place of its former one;"
        " prune: delete files of old runs that no model needs (default %(default)s)",
    )
    parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="run to show, cancel, resume or note, such as run17; note also takes p4 and r3; webhook takes an address,"
        " worker-token a name",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="with resume: wait for the end of the run; Ctrl-C stops only the waiting (default: do not wait)",
    )
    parser.add_argument(
        "--processes", metavar="N", help="with resume: continue in N processes, or auto (default: as before)"
    )
    parser.add_argument(
        "--rollouts",
        metavar="URLS",
        help="with resume: other vLLM servers of a served run (default: as before)",
    )
    parser.add_argument(
        "--launcher",
        choices=LAUNCHERS,
        help="with resume: where the run continues: local, worker or ray (default: as before)",
    )
    parser.add_argument(
        "--keep", type=int, default=KEEP, metavar="N", help="with prune: leave the newest N runs (default %(default)s)"
    )
    add_note_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="with prune: only list what would be deleted")


def cmd_runs(args: argparse.Namespace) -> dict[str, Any]:
    """List the runs, show, cancel, resume or note one, or prune the files of old ones."""
    store = open_store(args)
    if args.action == "prune":
        return prune_runs(store, args.keep, dry_run=args.dry_run)
    if args.action == "webhook":
        return set_webhook(store, args.id)
    if args.action != "list" and args.id is None:
        raise BadInput(
            f"runs {args.action} needs a run", f"Name one: preference-loop runs {args.action} run17", field="id"
        )
    if args.action == "list":
        notes = store.notes.all(RUN)
        return {"runs": [_listed(store, run, notes.get(run.id, Note())) for run in store.runs.all()]}
    if args.action == "worker-token":
        store.audit.add(BY, "new worker token", worker=args.id)
        return {"worker": args.id, "token": store.worker_tokens.issue_for_worker(args.id)}
    if args.action == "note":
        return note_thing(store, args)
    run_id = parse_id(args.id, RUN)
    if args.action == "resume":
        changes = {"processes": args.processes, "rollouts": args.rollouts, "launcher": args.launcher}
        run = resume(store, run_id, by=BY, **changes)
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
    if problem := store.webhook_deliveries.problem(run_id):
        detail["webhook_problem"] = problem
    return {"runs": [run_document(run) | detail | note_document(store.notes.get(RUN, run_id))]}


def set_webhook(store: Store, url: str | None) -> dict[str, Any]:
    """Keep the address that gets the end of each run; None: only show it -> {webhook, since}, its host only."""
    if url is not None:
        webhook = write_webhook(store.home, url)
        store.audit.add(BY, "webhook", host=webhook.host if webhook else None)
    webhook = read_webhook(store.home)
    return {"webhook": webhook and webhook.host, "since": webhook and webhook.since}


def _listed(store: Store, run: Run, note: Note) -> dict[str, Any]:
    """Return a run's document in the list, with its note, its disk use and, if it stalled, the seconds since then."""
    more = {"kind": run.kind, "created_at": run.created_at, "bytes": count_bytes(run_folder(store, run))}
    stalled = stalled_seconds(run, now())
    more |= note_document(note)
    return run_document(run) | more | ({} if stalled is None else {"no_progress_seconds": round(stalled)})


def prune_runs(store: Store, keep: int, *, dry_run: bool) -> dict[str, Any]:
    """Delete files of old runs, or only list them -> {pruned: [{run, folder, bytes}], bytes, dry_run}."""
    removals = list_removals(store, keep) if dry_run else prune(store, keep, by=BY)
    pruned = [{"run": removal.run.public, "folder": removal.folder.name, "bytes": removal.size} for removal in removals]
    return {"pruned": pruned, "bytes": sum(removal.size for removal in removals), "dry_run": dry_run}


def cmd_supervise(args: argparse.Namespace) -> None:
    """Start queued runs until nothing is queued or running and no server holds this home."""
    limit_repeats()
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
            print_text(line, sys.stderr)
            last = line

    return show


def render_outcome(document: dict) -> str:
    """Return one line about a run, and a line for each of its notes."""
    return "\n".join([_outcome_line(document), *document.get("notes", [])])


def _outcome_line(document: dict) -> str:
    produced = f": {', '.join(document['produced'])}" if document["produced"] else ""
    error = f": {document['error']}" if document.get("error") else ""
    return f"{document['run']} {document['status']}{produced}{error}"


def _about(run: dict) -> Iterator[str]:
    """Yield a run's kind, its note, its disk use, and the time without progress if it stalled."""
    yield run["kind"]
    if run.get("node"):
        yield f"on {run['node']}"
    yield from describe_note(run)
    if run.get("bytes"):
        yield format_bytes(run["bytes"])
    if "no_progress_seconds" in run:
        yield f"no progress for {format_duration(run['no_progress_seconds'])}"


def _render_pruned(document: dict) -> str:
    """Return a line per folder, and the sum."""
    lines = [f"{row['run']}/{row['folder']}  {format_bytes(row['bytes'])}" for row in document["pruned"]]
    total = format_bytes(document["bytes"])
    if not lines:
        return "Nothing to delete: policies, reward models or runs at work need all folders, or --keep covers them."
    return "\n".join([*lines, f"{total} would be deleted" if document["dry_run"] else f"{total} deleted"])


def render_runs(document: dict) -> str:
    """Return a line per run; for one run its settings as well."""
    if "pruned" in document:
        return _render_pruned(document)
    if "webhook" in document:
        host = document["webhook"]
        return f"The end of each run goes to {host}." if host else "This home has no webhook."
    if "token" in document:
        return document["token"]
    if "thing" in document:
        return render_note(document)
    if "runs" not in document:
        return render_outcome(document)
    lines = [f"{_outcome_line(run)}  ({', '.join(_about(run))})" for run in document["runs"]]
    if len(document["runs"]) == 1 and "settings" in document["runs"][0]:
        run = document["runs"][0]
        lines += [f"  {key} = {value}" for key, value in run["settings"].items()]
    return "\n".join(lines) or "no runs yet"

# SPDX-License-Identifier: Apache-2.0
"""The command `audit`: print or write the audit list."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from data.cli import read_store
from data.formats.writing import atomic_file
from data.transfer.audit_export import FORMATS, parse_moment, write_audit


def register(subparsers: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the command `audit`."""
    text = "Print or export the audit list: who changed accounts, projects, labels' use or files, and when."
    audit = subparsers.add_parser("audit", parents=[common], help=text, description=text)
    audit.add_argument("--since", default="", metavar="DATE", help="first date or time, UTC (default: all acts)")
    audit.add_argument(
        "--format", choices=FORMATS, help="format of the rows (default: csv for a file named .csv, else jsonl)"
    )
    audit.add_argument("--out", type=Path, metavar="FILE", help="write a new file (default: print the rows)")
    audit.set_defaults(run=cmd_audit, render=None)


def cmd_audit(args: argparse.Namespace) -> dict:
    """Write the acts to a file: {rows, files}; or return them: {acts}. Raises BadInput for a bad date."""
    store = read_store(args)
    since = parse_moment(args.since) if args.since else ""
    form = args.format or (FORMATS[1] if args.out and args.out.name.endswith(".csv") else FORMATS[0])
    if args.out:
        with atomic_file(args.out.expanduser()) as part:
            rows = write_audit(store, part, form, since)
        args.render = "{rows} acts are in {files[0]}.".format_map
        return {"rows": rows, "files": [str(args.out)]}
    args.render = _printer(args, since, form)
    return {"acts": list(store.audit.since(since)) if args.json else []}


def _printer(args: argparse.Namespace, since: str, form: str) -> Callable[[dict], str]:
    """Return a renderer that gives the rows as the file would hold them."""

    def render(_document: dict) -> str:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "audit"
            write_audit(read_store(args), path, form, since)
            return path.read_text(encoding="utf-8").rstrip("\n")

    return render

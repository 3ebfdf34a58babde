"""Commands of this floor: import, export, backup, restore. Each handler returns the JSON document."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.formats import ALIASES, AUTO, KEYS
from data.formats import FORMATS as IMPORT_FORMATS
from data.formats.tables import KINDS
from data.store import Store
from data.transfer.adopt_model import adopt_policy
from data.transfer.backup import back_up, restore
from data.transfer.exporting import (
    FILES,
    FORMATS,
    LABELS,
    MODELS,
    WHAT,
    ExportRequest,
    export_dataset,
    export_model,
    export_rows,
)
from data.transfer.hub import push_folder, refuse_offline
from data.transfer.import_survey import ImportFile
from data.transfer.importing import find_project_id, import_files
from data.transfer.previewing import preview
from data.transfer.progress_bar import ProgressBar


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add this floor's commands."""

    def add(name: str, text: str, run: Callable, render: Callable | None = None) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    importing = add(
        "import",
        "Bring in prompts, instructions, preferences, pairs, completions or a policy.",
        cmd_import,
        render_import,
    )
    importing.add_argument("files", type=Path, nargs="+", metavar="FILE|DIR", help="several files are one import")
    importing.add_argument("--as", dest="what", required=True, choices=(*KEYS, "policy"))
    importing.add_argument(
        "--format", default=AUTO, choices=(AUTO, *IMPORT_FORMATS, *ALIASES), help="default: by looking"
    )
    importing.add_argument(
        "--skip-bad", action="store_true", help="write bad rows to FILE.rejected.jsonl and import the others"
    )
    importing.add_argument(
        "--project", default="", help="the labeling project of pairs and comparisons (default: Standard)"
    )
    importing.add_argument("--dry-run", action="store_true", help="say what would come in, and change nothing")
    exporting = add(
        "export", "Write preferences, instructions, events, a policy or a reward model.", cmd_export, render_export
    )
    exporting.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="a file named .jsonl, .json, .csv (.gz) or .parquet; else a folder with a data card",
    )
    exporting.add_argument("--what", required=True, choices=WHAT)
    exporting.add_argument("--format", choices=sorted({name for names in FORMATS.values() for name in names}))
    exporting.add_argument(
        "--labels", default="person", choices=tuple(LABELS), help="whose comparisons (default %(default)s)"
    )
    exporting.add_argument("--project", help="of one labeling project only")
    exporting.add_argument("--names", action="store_true", help="labelers' names in place of pseudonyms")
    exporting.add_argument(
        "--files", default=FILES[0], choices=FILES, help="kind of the files in a folder (default %(default)s)"
    )
    exporting.add_argument("--push-to-hub", metavar="OWNER/NAME", help="upload the folder as a private data set")
    exporting.add_argument("--id", help="which policy or reward model, such as p4 or r3")
    exporting.add_argument("--merge", action="store_true", help="a whole model instead of an adapter")
    exporting.add_argument("--force", action="store_true", help="replace OUT")
    backup = add("backup", "Write everything of this home to one file, while it is in use.", cmd_backup, render_files)
    backup.add_argument("file", type=Path, metavar="FILE")
    backup.add_argument("--force", action="store_true", help="replace FILE")
    restoring = add("restore", "Unpack a backup into a home that is empty.", cmd_restore, render_files)
    restoring.add_argument("file", type=Path, metavar="FILE")


def cmd_import(args: argparse.Namespace) -> dict:
    """Import the rows of files or a model folder."""
    store = open_store(args)
    find_project_id(store, args.what, args.project)
    if args.what == "policy":
        if len(args.files) > 1:
            raise BadInput("a policy is one folder", f"Import {args.files[0]} by itself.", field="files")
        return adopt_policy(store, args.files[0])
    files = [ImportFile.at(path) for path in args.files]
    if args.dry_run:
        with ProgressBar() as bar:
            return preview(files, args.what, args.format, store=store, progress=bar)._asdict()
    with ProgressBar() as bar:
        return import_files(
            store, files, args.what, form=args.format, skip_bad=args.skip_bad, progress=bar, project=args.project
        )


def cmd_export(args: argparse.Namespace) -> dict:
    """Export rows to a file or a model to a folder."""
    store = open_store(args)
    if args.what not in MODELS:
        return _export_rows(store, args)
    if not args.id:
        raise BadInput(f"which {args.what} is not said", "Name it with --id, such as --id p4 or --id r3.", field="id")
    return export_model(store, args.out, args.what, args.id, merge=args.merge, force=args.force)


def _export_rows(store: Store, args: argparse.Namespace) -> dict:
    wish = ExportRequest(args.what, args.format, args.labels, args.project, args.names)
    single = args.out.name.removesuffix(".gz").endswith((".json", *(f".{kind}" for kind in KINDS)))
    if args.push_to_hub:
        if single:
            raise BadInput(
                "a single file is no data set", "Name a folder to be uploaded, such as preferences.", file=str(args.out)
            )
        refuse_offline()
    if single:
        return export_rows(store, args.out, wish, force=args.force)
    done = export_dataset(store, args.out, wish, args.files, force=args.force)
    return done | ({"pushed": push_folder(args.out.expanduser(), args.push_to_hub)} if args.push_to_hub else {})


def cmd_backup(args: argparse.Namespace) -> dict:
    """Back the home up."""
    return back_up(open_store(args), args.file, force=args.force)


def cmd_restore(args: argparse.Namespace) -> dict:
    """Restore a backup into an empty home."""
    return restore(args.home, args.file)


def render_import(result: dict) -> str:
    """The counts in one line, and where the rejected rows are; of a dry run, what was found."""
    if "good" in result:
        return _render_preview(result)
    counts = ", ".join(f"{result[name]} {name}" for name in ("read", "added", "duplicate", "rejected"))
    return counts + (f"; rejected rows: {result['rejected_file']}" if "rejected_file" in result else "")


def _render_preview(found: dict) -> str:
    formats = ", ".join(f"{count:,} {name}" for name, count in found["formats"].items()) or "none"
    told = (
        f"; {found['comparisons']:,} comparisons by {found['labelers'] or 1} labelers" if found["comparisons"] else ""
    )
    again = f"; {found['duplicate']:,} are there already" if found["duplicate"] else ""
    again += f"; {found['near']:,} nearly repeat an earlier row" if found["near"] else ""
    lines = [f"{found['good']:,} good rows ({formats}), {found['bad']:,} bad{told}{again}; nothing was written"]
    return "\n".join([*lines, *filter(None, [found["first_bad"]])])


def render_export(result: dict) -> str:
    """How many rows, what was left out and why, and the files."""
    left_out = "".join(f"\nleft out, {reason}: {count}" for reason, count in result["omitted"].items())
    return "\n".join([f"{result['rows']} rows{left_out}", *result["files"], *filter(None, [result.get("pushed")])])


def render_files(result: dict) -> str:
    """The files, one a line."""
    return "\n".join(result["files"])

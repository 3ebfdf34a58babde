# SPDX-License-Identifier: Apache-2.0
"""Commands of the data layer: import, export, backup, restore. Each handler returns the JSON document."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from data.cli import open_store, read_store
from data.errors import BadInput
from data.formats import ALIASES, AUTO, KEYS
from data.formats import FORMATS as IMPORT_FORMATS
from data.formats.export.tables import KINDS
from data.formats.mapping import parse_mapping
from data.store import Store
from data.transfer.adopt_model import adopt_policy
from data.transfer.backup import back_up, restore
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.exporting import (
    DEFAULT_LABELS,
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
from data.transfer.import_text import render_import
from data.transfer.importing import find_project_id, import_files
from data.transfer.previewing import preview
from data.transfer.progress_bar import ProgressBar

ACTOR = "command line"
IMPORTED = (
    "files, folders or zip archives to import together, a data set in the Hugging Face cache, or a policy's folder"
)
Handler = Callable[[argparse.Namespace], dict]
Renderer = Callable[[dict], str]


def register(subparsers: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the commands of this layer."""

    def add(name: str, text: str, run: Handler, render: Renderer) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    _add_import_options(
        add(
            "import",
            "Import prompts, instructions, preferences, pairs, completions or a policy.",
            cmd_import,
            render_import,
        )
    )
    _add_export_options(
        add(
            "export",
            "Export prompts, preferences, instructions, events, a policy or a reward model.",
            cmd_export,
            render_export,
        )
    )
    backup = add("backup", "Write everything in this home to one file, while it is in use.", cmd_backup, render_files)
    backup.add_argument("file", type=Path, metavar="FILE", help="the backup to write: .tar, .tar.gz or .tgz")
    backup.add_argument("--force", action="store_true", help="replace FILE if it exists")
    restoring = add("restore", "Unpack a backup into an empty home.", cmd_restore, render_files)
    restoring.add_argument("file", type=Path, metavar="FILE", help="a file that `backup` wrote")


def _add_import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE|DIR", help=IMPORTED)
    parser.add_argument(
        "--encoding",
        default="",
        metavar="NAME",
        help="encoding of text, such as cp949 (default: detected automatically)",
    )
    parser.add_argument("--as", dest="what", required=True, choices=(*KEYS, "policy"), help="what the rows are")
    parser.add_argument(
        "--format",
        default=AUTO,
        choices=(AUTO, *IMPORT_FORMATS, *ALIASES),
        help="format of the rows (default: detected automatically)",
    )
    parser.add_argument(
        "--map",
        default="",
        metavar="NAME=COLUMN,...",
        help="columns of the file under known names: prompt=question,chosen=answers.0,model='gpt-x', or a saved one",
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="import the good rows and write the bad ones into the home's folder"
    )
    parser.add_argument(
        "--rejected", type=Path, metavar="FILE", help="import the good rows and write the bad ones to FILE"
    )
    parser.add_argument("--project", default="", help="labeling project of pairs and comparisons (default: Standard)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be imported, and change nothing")


def _add_export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="a file named .jsonl, .json, .csv (each also .gz) or .parquet; any other name: a folder with a data card",
    )
    parser.add_argument("--what", required=True, choices=WHAT, help="what to export")
    parser.add_argument(
        "--format",
        choices=sorted({name for names in FORMATS.values() for name in names}),
        help="format of the rows (default: trl for prompts and preferences, alpaca for instructions, full for events)",
    )
    parser.add_argument(
        "--labels",
        default=DEFAULT_LABELS,
        choices=LABELS,
        help="source of the comparisons (default: %(default)s)",
    )
    parser.add_argument("--project", help="export one labeling project only (default: all)")
    parser.add_argument("--names", action="store_true", help="write the names of labelers instead of pseudonyms")
    parser.add_argument(
        "--files", default=FILES[0], choices=FILES, help="kind of the files in a folder (default: %(default)s)"
    )
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="upload the folder as a private data set")
    parser.add_argument("--id", help="the policy or reward model to export, such as p4 or r3")
    parser.add_argument("--merge", action="store_true", help="export a whole model instead of an adapter")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def cmd_import(args: argparse.Namespace) -> dict:
    """Import the rows of files or a model folder."""
    store = open_store(args)
    find_project_id(store, args.what, args.project)
    if args.what == "policy":
        if len(args.files) > 1:
            raise BadInput(
                f"a policy is one folder, but {len(args.files)} are given",
                f"Import {args.files[0]} alone.",
                field="files",
            )
        report = adopt_policy(store, args.files[0])
        store.audit.add(ACTOR, "import", what="policy", file=args.files[0].name, produced=report["produced"])
        return report
    files = [ImportFile.at(path, encoding=args.encoding) for path in args.files]
    mapping = store.column_mappings.resolve(args.map)
    if args.dry_run:
        with ProgressBar() as bar:
            return preview(files, args.what, args.format, store, bar, mapping)._asdict()
    reading = Reading(args.what, args.format, parse_mapping(mapping))
    with ProgressBar() as bar:
        skip_bad = args.rejected or args.skip_bad
        return import_files(store, files, reading, skip_bad=skip_bad, progress=bar, project=args.project)


def cmd_export(args: argparse.Namespace) -> dict:
    """Export rows to a file or a model to a folder."""
    if args.what in MODELS and not args.id:
        raise BadInput(
            f"the {args.what} to export is missing", "Name it with --id, such as --id p4 or --id r3.", field="id"
        )
    store = read_store(args)
    if args.what not in MODELS:
        return _export_rows(store, args)
    models = store.policies if args.what == "policy" else store.reward_models
    models.get(args.id)  # refuses an unknown id before torch is loaded, which takes seconds
    return export_model(store, args.out, args.what, args.id, merge=args.merge, force=args.force)


def _export_rows(store: Store, args: argparse.Namespace) -> dict:
    request = ExportRequest(args.what, args.format, args.labels, args.project, args.names)
    single = args.out.name.removesuffix(".gz").endswith((".json", *(f".{kind}" for kind in KINDS)))
    if args.push_to_hub:
        if single:
            raise BadInput(
                "a single file cannot be uploaded as a data set",
                "Name a folder, such as preferences.",
                file=str(args.out),
            )
        refuse_offline()
    if single:
        return export_rows(store, args.out, request, force=args.force)
    document = export_dataset(store, args.out, request, args.files, force=args.force)
    if args.push_to_hub:
        document["pushed"] = push_folder(args.out.expanduser(), args.push_to_hub)
        store.audit.add(ACTOR, "push to hub", what=args.what, to=args.push_to_hub)
    return document


def cmd_backup(args: argparse.Namespace) -> dict:
    """Back up the home."""
    store = read_store(args)
    document = back_up(store, args.file, force=args.force)
    store.audit.add(ACTOR, "backup", file=args.file.name)
    return document


def cmd_restore(args: argparse.Namespace) -> dict:
    """Restore a backup into an empty home."""
    document = restore(args.home, args.file)
    store = open_store(args)
    store.audit.add(ACTOR, "restore", file=args.file.name)
    store.close()
    return document


def render_export(document: dict) -> str:
    """Return the model's name or the number of rows, the omitted rows by reason, a note if there is one, the files."""
    head = f"{document['exported']} exported" if "exported" in document else f"{document['rows']:,} rows"
    omitted = [f"left out, {reason}: {count}" for reason, count in document["omitted"].items()]
    address = [document["pushed"]] if "pushed" in document else []
    note = [document["note"]] if "note" in document else []
    return "\n".join([head, *omitted, *note, *document["files"], *address])


def render_files(document: dict) -> str:
    """Return the files, one a line."""
    return "\n".join(document["files"])

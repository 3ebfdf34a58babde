# SPDX-License-Identifier: Apache-2.0
"""`preference-loop runs note`, and what a note adds to the documents and lines about runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from data.errors import BadInput
from data.records import Note
from data.store import Store
from rlhf.runs.notes import change_note, edit_tags, find_noted

MARKS = ("archived", "baseline")


def add_note_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `runs note`."""
    parser.add_argument("--name", help="with note: the new name; '' removes it (default: as it is)")
    parser.add_argument("--text", help="with note: the new text; '' removes it (default: as it is)")
    for option, verb in (("--tag", "add"), ("--untag", "remove")):
        parser.add_argument(
            option, action="append", default=[], metavar="TAG", help=f"with note: {verb} a tag; repeat for more"
        )
    for option, mark, words in (
        ("--archive", "archived", "hide it on the page unless archived ones are shown"),
        ("--baseline", "baseline", "draw it first in charts; another one of its kind loses the mark"),
    ):
        parser.add_argument(
            option,
            dest=mark,
            action=argparse.BooleanOptionalAction,
            help=f"with note: {words} (default: as it is)",
        )


def note_thing(store: Store, args: argparse.Namespace) -> dict[str, Any]:
    """Change the note of a run, a policy or a reward model -> {thing, name, text, tags, ...}."""
    kind, number = find_noted(store, args.id)
    given = {key: getattr(args, key) for key in ("name", "text", *MARKS)}
    changes = {key: value for key, value in given.items() if value is not None}
    if args.tag or args.untag:
        changes["tags"] = edit_tags(store.notes.get(kind, number).tags, args.tag, args.untag)
    if not changes:
        raise BadInput("runs note changes nothing", f"Give an option: preference-loop runs note {args.id} --tag keep")
    note = change_note(store, args.id, by="command line", **changes)
    return {"thing": args.id.strip(), **note._asdict(), "tags": list(note.tags)}


def note_document(note: Note) -> dict[str, Any]:
    """Return the fields of a note that hold something."""
    document = {**note._asdict(), "tags": list(note.tags)}
    return {key: value for key, value in document.items() if value}


def describe_note(document: dict[str, Any]) -> Iterator[str]:
    """Yield the name, the tags and the marks of a document."""
    if document.get("name"):
        yield f'"{document["name"]}"'
    yield from (f"#{tag}" for tag in document.get("tags", []))
    yield from (mark for mark in MARKS if document.get(mark))


def render_note(document: dict[str, Any]) -> str:
    """Return one line: the thing with its name, tags and marks, and the text below."""
    words = ", ".join(describe_note(document)) or "no name, no tags"
    return f"{document['thing']}: {words}" + (f"\n{document['text']}" if document["text"] else "")

# SPDX-License-Identifier: Apache-2.0
"""Change the name, note, tags and marks of a run, a policy or a reward model. Each change is in the audit list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from data.ids import POLICY, REWARD_MODEL, RUN, parse_id
from data.records import Note
from data.store import Store
from labeling.texts.pages import bad_input

NAME_LENGTH, NOTE_LENGTH, TAG_LENGTH, MOST_TAGS = 60, 5_000, 30, 12


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text with commas, each once."""
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def find_noted(store: Store, thing: str) -> tuple[str, int]:
    """Return the prefix and the number of an existing run, policy or reward model. Raises BadInput for others."""
    kind = re.sub(r"[0-9]+$", "", thing.strip())
    if kind not in (RUN, POLICY, REWARD_MODEL):
        raise bad_input("refused.noted", thing=thing)
    number = parse_id(thing, kind)
    table: Any = {RUN: store.runs, POLICY: store.policies, REWARD_MODEL: store.reward_models}[kind]
    table.get(number)
    return kind, number


def change_note(store: Store, thing: str, *, by: str, **changes: Any) -> Note:  # noqa: ANN401 (fields of several types)
    """Change some fields of a thing's note and return it; `by` is the actor of the audit list.

    Raises BadInput for an unknown thing, and for a name, a note or tags that are too long.
    """
    kind, number = find_noted(store, thing)
    with store.transaction():
        old = store.notes.get(kind, number)
        new = _checked(old._replace(**changes))
        if changed := [name for name in Note._fields if getattr(old, name) != getattr(new, name)]:
            store.notes.set(kind, number, new)
            store.audit.add(by, "note changed", thing=f"{kind}{number}", changed=changed)
    return new


def edit_tags(tags: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> tuple[str, ...]:
    """Return the tags with some added at the end and others removed."""
    gone = set(remove)
    return tuple(tag for tag in dict.fromkeys((*tags, *add)) if tag not in gone)


def _checked(note: Note) -> Note:
    name, text = note.name.strip(), note.text.strip()
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise bad_input("notes.bad_name", name=name[:80], most=NAME_LENGTH, field="name")
    if len(text) > NOTE_LENGTH:
        raise bad_input("notes.bad_note", n=len(text), most=NOTE_LENGTH, field="text")
    for tag in note.tags:
        if not 0 < len(tag) <= TAG_LENGTH or not tag.isprintable() or "," in tag:
            raise bad_input("notes.bad_tag", tag=tag[:80], most=TAG_LENGTH, field="tag")
    if len(note.tags) > MOST_TAGS:
        raise bad_input("notes.many_tags", n=len(note.tags), most=MOST_TAGS, field="tag")
    return note._replace(name=name, text=text)

# SPDX-License-Identifier: Apache-2.0
"""The fold with a thing's name, tags, note and marks: of a run, a policy or a reward model."""

from __future__ import annotations

from zlib import crc32

import gradio as gr

from data.errors import BadInput
from data.records import Note
from data.store import Store
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.texts.pages import bad_input, text
from reward.page import QUIET, Updates
from reward.report.view import message_html
from rlhf.pages.components import hidden, html
from rlhf.runs.notes import MOST_TAGS, NAME_LENGTH, TAG_LENGTH, change_note, find_noted, split_tags


class NoteForm:
    """The fields, and the button that keeps them. The page passes its `chosen` thing, which the form then shows."""

    def __init__(self, store: Store, page: str) -> None:
        self.store, self.page = store, page
        with gr.Accordion(text("notes.title"), open=False, elem_id=f"{page}-note", visible=False) as self.fold:
            with gr.Row(elem_classes="fields"):
                self.name = gr.Textbox(
                    label=text("notes.name"), max_lines=1, max_length=NAME_LENGTH, elem_id=f"{page}-note-name"
                )
                about = text("notes.tags_info", most=MOST_TAGS, length=TAG_LENGTH)
                self.tags = gr.Textbox(label=text("notes.tags"), info=about, max_lines=1, elem_id=f"{page}-note-tags")
            self.text = gr.Textbox(label=text("notes.text"), lines=3, max_lines=12, elem_id=f"{page}-note-text")
            with gr.Row(elem_classes="line"):
                self.archived = gr.Checkbox(label=text("notes.archive"), elem_id=f"{page}-note-archived")
                marks_baseline = page == "runs"  # the charts draw it first
                self.baseline = gr.Checkbox(
                    visible=marks_baseline, label=text("notes.set_baseline"), elem_id=f"{page}-note-baseline"
                )
                self.save = gr.Button(text("notes.save"), scale=0, elem_id=f"{page}-note-save")
            self.status = html(f"{page}-note-status")
        self.seen = hidden()
        self.values = [self.name, self.tags, self.text, self.archived, self.baseline]

    def wire(self) -> None:
        """Keep the fields on a click, then read the page again."""
        kept = self.save.click(self.keep, [self.seen, *self.values], [self.status, self.seen], **QUIET)
        kept.then(None, None, None, js=f"() => document.querySelector('#look-{self.page}').click()", **QUIET)

    def outputs(self) -> list[gr.blocks.Block]:
        """Return what `show` changes."""
        return [self.fold, self.seen, self.status, *self.values]

    def show(self, thing: str, seen: str) -> Updates:
        """Fill the fields with a thing's note, unless they are of this thing: a person may be editing them."""
        if not thing:
            return {self.fold: gr.Accordion(visible=False), self.seen: ""}
        if thing == seen.split(" ")[0]:
            return {}
        note = self.store.notes.get(*find_noted(self.store, thing))
        return {
            self.fold: gr.Accordion(visible=True),
            self.status: "",
            self.seen: _mark(thing, note),
            self.name: note.name,
            self.tags: ", ".join(note.tags),
            self.text: note.text,
            self.archived: note.archived,
            self.baseline: note.baseline,
        }

    def keep(self, seen: str, name: str, tags: str, note: str, archived: bool, baseline: bool) -> tuple[str, str]:
        """Keep the fields as the note of the thing that they show, unless it changed since; return the mark."""
        thing, by = seen.split(" ")[0], audit_name(current_account())
        words = {"name": name or "", "tags": split_tags(tags or ""), "text": note or ""}
        try:
            with self.store.transaction():
                if _mark(thing, self.store.notes.get(*find_noted(self.store, thing))) != seen:
                    raise bad_input("notes.changed", thing=thing)
                kept = change_note(self.store, thing, by=by, **words, archived=bool(archived), baseline=bool(baseline))
        except BadInput as problem:
            return message_html(problem), seen
        return message_html(text("notes.kept", thing=thing), thing), _mark(thing, kept)


def _mark(thing: str, note: Note) -> str:
    return f"{thing} {crc32(repr(note).encode())}"

# SPDX-License-Identifier: Apache-2.0
"""The Data page: preview and import files, browse stored rows by source, split and text, and retract imported ones."""

from __future__ import annotations

from typing import Any

import gradio as gr

from data.errors import BadInput
from data.formats.mapping import parse_mapping
from data.ids import parse_number
from data.splits import SPLITS
from data.store import Store
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.importing import import_files
from data.transfer.inserting import IN_PROJECTS
from data.transfer.previewing import Preview, preview, sample_rows
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.texts.pages import text
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.pages.components import choices, heading, hidden, html, subheading
from rlhf.pages.data_view import (
    DETECT,
    KINDS,
    ROW_KINDS,
    SHOWN,
    RowKind,
    draw_counts,
    draw_outcome,
    draw_preview,
    draw_rows,
    draw_upload,
    sources,
    without_folder,
)
from rlhf.pages.imported.part import ImportedPart
from rlhf.pages.importing.mapping import MappingPart
from rlhf.pages.upload import FOLDER, chosen, incoming
from rlhf.pages.upload_progress import ReadingCancelled, Readings


class DataPage:
    """The page's components and its handlers. Between events the server holds only the progress of files being read."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store, self.readings = store, Readings()
        heading("data")
        self._add_import()
        self._add_rows()
        ImportedPart(store, look)
        self._wire(look)

    def _add_import(self) -> None:
        html(value=draw_upload())
        with gr.Row(elem_classes="line"):
            self.file = gr.Dropdown([], label=text("data.file"), elem_id="data-files", min_width=280, filterable=False)
            kinds = choices("data", KINDS)
            self.what = gr.Dropdown(
                kinds, value=DETECT, label=text("data.what"), elem_id="data-what", min_width=270, filterable=False
            )
            self.encoding = gr.Textbox(label=text("data.encoding"), elem_id="data-encoding", min_width=150, max_lines=1)
            self.look = gr.Button(text("data.preview"), elem_id="data-look", scale=0, min_width=120)
        closed: dict[str, Any] = {"visible": False}
        self.progress = html("data-reading")
        self.cancel = gr.Button(text("data.cancel"), elem_id="data-cancel", scale=0, min_width=120, **closed)
        self.preview = html("data-preview")
        self.columns = MappingPart(self.store)
        with gr.Row(elem_classes="line"):
            self.project = gr.Dropdown(
                [], label=text("data.project"), elem_id="data-project", min_width=220, filterable=False, **closed
            )
            self.skip = gr.Checkbox(False, label=text("data.skip_bad"), elem_id="data-skip", min_width=180, **closed)
            self.bring = gr.Button(variant="primary", elem_id="data-import", scale=0, min_width=120, **closed)
        self.status = html("data-told")

    def _add_rows(self) -> None:
        subheading("data.stored")
        self.counts = html("data-counts")
        every = [(text("data.all"), "")]
        with gr.Row(elem_classes="line"):
            self.kind = gr.Dropdown(
                choices("data", ROW_KINDS),
                value="instructions",
                label=text("data.show"),
                elem_id="data-kind",
                min_width=200,
            )
            self.source = gr.Dropdown(every, value="", label=text("data.source"), elem_id="data-source", min_width=200)
            splits = [*every, *((name, name) for name in SPLITS)]
            self.split = gr.Dropdown(splits, value="", label=text("data.split"), min_width=120)
            self.find = gr.Textbox(label=text("data.containing"), elem_id="data-find", min_width=180, max_lines=1)
        self.rows = html("data-rows")
        self.more = gr.Button(text("data.older"), elem_id="data-more", visible=False, scale=0, min_width=120)

    def _wire(self, look: Look) -> None:
        self.last, self.seen = hidden(), hidden()
        query, rows = [self.kind, self.source, self.split, self.find], [self.rows, self.more, self.last]
        shown = [self.progress, self.cancel, self.seen, self.file, self.counts, self.source, *rows]
        gr.on(look, self.refresh, [self.seen, *query], shown, **QUIET)
        offered = [self.status, self.preview, self.project, self.skip, self.bring, *self.columns.outputs]
        reading = [self.columns.mapping, self.encoding]
        self.look.click(self.show_preview, [self.file, self.what, *reading], offered, **QUIET)
        self.columns.wire(self.file, self.what)
        changed = [self.file.change, self.what.change, self.encoding.change]
        gr.on(changed, self.forget, None, offered, **QUIET)
        form = [self.file, self.what, self.project, self.skip, *reading]
        self.cancel.click(self.cancel_reading, None, self.cancel, **QUIET)
        self.bring.click(self.import_file, form, [self.seen, *offered], **QUIET)
        changes = [self.kind.change, self.source.change, self.split.change, self.find.submit]
        gr.on(changes, self.show, query, rows, **QUIET)
        self.more.click(self.older, [*query, self.last], rows, **QUIET)

    def refresh(self, seen: str, kind: str, source: str, split: str, find: str) -> Updates:
        """Draw again only what changed, so that an opened row stays open."""
        files, counts = [path.name for path in incoming(self.store)], draw_counts(self.store)
        mark = f"{hash(tuple(files))} {hash(counts)}"
        progress = self.readings.draw(current_account())
        updates: Updates = {self.progress: progress, self.cancel: gr.Button(visible=bool(progress))}
        if mark == seen:
            return updates
        if mark.split()[0] != seen.partition(" ")[0]:
            updates[self.file] = self.offer(files)
        known = [(text("data.all"), ""), *((name, name) for name in sources(self.store))]
        updates |= {self.seen: mark, self.counts: counts, self.source: gr.Dropdown(choices=known)}
        return updates | self.show(kind, source, split, find)

    def offer(self, files: list[str]) -> gr.Dropdown:
        """Return the files to choose from, the newest chosen; without one, how to add one."""
        info = None if files else text("data.no_files", folder=self.store.home / FOLDER)
        return gr.Dropdown(choices=files, value=files[0] if files else None, info=info)

    def show_preview(self, name: str | None, what: str, mapping: str = "", encoding: str = "") -> Updates:
        """Show what the file holds, and offer to import it."""
        try:
            file = chosen(self.store, name or "")
            with self.readings.of(current_account(), file.name) as progress:
                kind = None if what == DETECT else what
                files = [ImportFile.at(file, encoding=encoding.strip())]
                survey = preview(files, kind, store=self.store, progress=progress, mapping=mapping)
            columns = self.columns.offer(file.name, what, mapping)
        except BadInput as problem:
            return {**self.forget(), self.status: message_html(without_folder(problem))}
        except ReadingCancelled as cancelled:
            return {**self.forget(), self.status: message_html(text("data.cancelled", file=cancelled))}
        return {self.status: "", self.preview: draw_preview(survey), **self._offer_import(survey), **columns}

    def _offer_import(self, survey: Preview) -> Updates:
        """Return the fields of an import; rows that become pairs need a labeling project if there are several."""
        names = [project.name for project in self.store.projects.all()]
        several = survey.what in IN_PROJECTS and survey.good > 0 and len(names) > 1
        label = text("data.import_rows", n=survey.good, what=text(f"data.choice_{survey.what}"))
        return {
            self.project: gr.Dropdown(choices=names, value=names[0], visible=several),
            self.skip: gr.Checkbox(value=False, visible=bool(survey.bad and survey.good)),
            self.bring: gr.Button(label, visible=survey.good > 0),
        }

    def forget(self) -> Updates:
        """Remove the preview of another file, and its import button."""
        return {
            self.preview: "",
            self.project: gr.Dropdown(visible=False),
            self.skip: gr.Checkbox(visible=False),
            self.bring: gr.Button(visible=False),
            **self.columns.forget(),
        }

    def cancel_reading(self) -> gr.Button:
        """Cancel the preview or import that this account has started."""
        self.readings.cancel(current_account())
        return gr.Button(visible=False)

    def import_file(
        self, name: str | None, what: str, project: str | None, skip: bool, mapping: str = "", encoding: str = ""
    ) -> Updates:
        """Import the file as it was previewed, and draw the stored rows again."""
        try:
            file = ImportFile.at(chosen(self.store, name or ""), encoding=encoding.strip())
            done = self._import(file, what, project or "", skip, mapping)
        except BadInput as problem:
            return {self.status: message_html(without_folder(problem))}
        except ReadingCancelled as cancelled:
            return {self.status: message_html(text("data.cancelled", file=cancelled))}
        return {**self.forget(), self.status: message_html(draw_outcome(done)), self.seen: ""}

    def _import(self, file: ImportFile, what: str, project: str, skip: bool, mapping: str) -> dict:
        """Return the counts of an import. Raise BadInput for a file that cannot be imported."""
        with self.readings.of(current_account(), file.name) as progress:
            kind = sample_rows(file, None, mapping).what if what == DETECT else what
            into = project if kind in IN_PROJECTS else ""
            by = audit_name(current_account())
            reading = Reading(kind, mapping=parse_mapping(mapping))
            return import_files(self.store, [file], reading, skip_bad=skip, by=by, project=into, progress=progress)

    def show(self, kind: str, source: str, split: str, find: str) -> Updates:
        """Draw the newest rows that match."""
        return self.older(kind, source, split, find, "")

    def older(self, kind: str, source: str, split: str, find: str, last: str) -> Updates:
        """Draw the rows before the last one that was shown."""
        before = parse_number(last) or 0
        query = {"source": source or "", "split": split or "", "find": find or ""}
        listed: RowKind = "prompts" if kind == "prompts" else "instructions"
        entries = self.store.catalogue.page(listed, **query, before=before, limit=SHOWN)
        unfiltered = not (source or split or (find or "").strip() or before)
        return {
            self.rows: draw_rows(entries, kind, unfiltered),
            self.more: gr.Button(visible=len(entries) == SHOWN),
            self.last: str(entries[-1].id) if entries else "",
        }

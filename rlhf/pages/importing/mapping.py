# SPDX-License-Identifier: Apache-2.0
"""The columns of a file on the Data page: a table in which people say what each is read as, and mappings by name.

The table shows the file's columns under their own names. Another name maps a column, none leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from data.errors import BadInput
from data.formats.mapping import format_mapping, parse_mapping
from data.store import Store
from data.transfer.checked_rows import ImportFile
from data.transfer.previewing import Sample, sample_rows
from labeling.texts.pages import text
from reward.page import QUIET, Updates
from reward.report.view import message_html
from rlhf.pages.components import hidden, html
from rlhf.pages.data_view import DETECT, draw_sample, without_folder
from rlhf.pages.upload import chosen

Cells = Sequence[Sequence[object]]


class MappingPart:
    """The table of columns, the saved mappings and the sample of rows under the mapping."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with gr.Accordion(text("data.columns"), open=False, visible=False, elem_id="data-mapping") as self.part:
            html(value=f"<p class=soft>{text('data.columns_lead')}</p>")
            self.saved = gr.Dropdown([], label=text("data.mapping"), elem_id="data-mappings", filterable=False)
            headers = [text(f"data.column_{name}") for name in ("name", "example", "read_as")]
            self.table = gr.Dataframe(
                headers=headers, type="array", interactive=True, elem_id="data-columns", label=text("data.columns")
            )
            self.sample = html("data-sample")
            with gr.Row(elem_classes="line"):
                self.name = gr.Textbox(label=text("data.mapping_name"), elem_id="data-mapping-name", max_lines=1)
                self.save = gr.Button(text("data.mapping_save"), elem_id="data-mapping-save", scale=0, min_width=120)
        self.mapping = hidden("data-map")

    def wire(self, file: gr.Dropdown, what: gr.Dropdown) -> None:
        """Connect the part with the file and the kind that were chosen."""
        inputs, outputs = [file, what, self.table], [self.mapping, self.sample]
        self.table.input(self.change, inputs, outputs, **QUIET)
        self.saved.input(self.load, [file, what, self.saved], [self.table, *outputs], **QUIET)
        self.save.click(self.keep, [self.name, self.mapping], [self.saved, self.sample], **QUIET)

    @property
    def outputs(self) -> list:
        """Return the components that `offer` and `forget` update."""
        return [self.part, self.saved, self.table, self.sample, self.mapping]

    def offer(self, name: str, what: str, mapping: str) -> Updates:
        """Show the columns of a file under a mapping."""
        sample = self._sample(name, what, mapping)
        saved = [("", ""), *((known, value) for known, value in self.store.column_mappings.all().items())]
        value = next((value for _, value in saved if value == mapping), "")
        return {
            self.part: gr.Accordion(visible=True),
            self.saved: gr.Dropdown(choices=saved, value=value),
            self.table: _cells(sample, mapping),
            self.sample: draw_sample(sample),
            self.mapping: mapping,
        }

    def forget(self) -> Updates:
        """Hide the columns of another file."""
        return {self.part: gr.Accordion(visible=False), self.table: [], self.sample: "", self.mapping: ""}

    def change(self, name: str, what: str, cells: Cells) -> Updates:
        """Read three rows under the mapping that the table says."""
        return self._said(lambda: self._show(name, what, mapping_of(cells)))

    def load(self, name: str, what: str, mapping: str) -> Updates:
        """Put a saved mapping into the table."""
        return self._said(
            lambda: {**self._show(name, what, mapping), self.table: _cells(self._sample(name, what, mapping), mapping)}
        )

    def keep(self, name: str, mapping: str) -> Updates:
        """Save the mapping under a name."""

        def save() -> Updates:
            self.store.column_mappings.save(name, mapping)
            saved = [("", ""), *self.store.column_mappings.all().items()]
            return {
                self.saved: gr.Dropdown(choices=saved, value=mapping),
                self.sample: message_html(text("data.mapping_saved", name=name.strip())),
            }

        return self._said(save)

    def _show(self, name: str, what: str, mapping: str) -> Updates:
        return {self.mapping: mapping, self.sample: draw_sample(self._sample(name, what, mapping))}

    def _sample(self, name: str, what: str, mapping: str) -> Sample:
        return sample_rows(ImportFile.at(chosen(self.store, name)), None if what == DETECT else what, mapping)

    def _said(self, answer: Callable[[], Updates]) -> Updates:
        try:
            return answer()
        except BadInput as problem:
            return {self.sample: message_html(without_folder(problem))}


def mapping_of(cells: Cells) -> str:
    """Return the mapping that a table of columns says. Raises BadInput for a name that stands twice."""
    pairs = []
    for row in cells:
        column, target = (str(row[place] or "").strip() if len(row) > place else "" for place in (0, 2))
        if column and target != column:
            pairs.append(f"{target or column}={column if target else ''}")
    return format_mapping(parse_mapping(",".join(pairs)))


def _cells(sample: Sample, mapping: str) -> list[list[str]]:
    """Return the table's rows: each column of the file, and each path and constant of the mapping."""
    parts = {
        target: format_mapping({target: mapped}).partition("=")[2] for target, mapped in parse_mapping(mapping).items()
    }
    targets = {path or target: target if path else "" for target, path in parts.items()}
    columns = {**sample.examples, **{path: "" for path in targets if path not in sample.examples}}
    return [[column, example, targets.get(column, column)] for column, example in columns.items()]

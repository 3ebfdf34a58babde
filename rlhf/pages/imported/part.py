# SPDX-License-Identifier: Apache-2.0
"""The fields, rows and buttons of imported rows on the Data page, and their handlers."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.ids import parse_number
from data.store import Store
from data.tables.imported_rows import RowFilter, State
from data.tables.retractions import KINDS, Kind
from data.views.retracted_rows import TrainedModels, models_trained_on
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.texts.pages import bad_input, text
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.pages.components import choices, hidden, html, subheading, unchanged
from rlhf.pages.imported.view import SHOWN, describe_use, draw_rows, import_choices, last_page

STATES = ("used", "retracted")
CHECKED = """(checked, ...others) => [JSON.stringify([...document.querySelectorAll("#imported-rows [name=row]:checked")]
    .map((box) => box.value)), ...others.slice(0, 5)]"""
"""JavaScript: the ids of the checked rows replace the first input."""


class ImportedPart:
    """The components and their handlers. The fields and the number of the page are all of the state."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        subheading("imported.title")
        html(value=f"<p class=soft>{text('imported.lead')}</p>")
        every = (text("data.all"), "")
        with gr.Row(elem_classes="line"):
            self.kind = gr.Dropdown(
                choices("imported", KINDS), value="comparison", label=text("data.show"), elem_id="imported-kind"
            )
            self.source = gr.Dropdown([every], value="", label=text("imported.import"), elem_id="imported-import")
            states = [every, *choices("imported", STATES)]
            self.state = gr.Dropdown(states, value="", label=text("imported.state"), elem_id="imported-state")
            self.find = gr.Textbox(label=text("data.containing"), elem_id="imported-find", max_lines=1)
        self.rows = html("imported-rows")
        with gr.Row(elem_classes="line"):
            self.newer = self._button("newer", visible=False)
            self.older = self._button("older", visible=False)
        with gr.Row(elem_classes="line"):
            self.retract, self.restore = self._button("retract"), self._button("restore")
            self.retract_import = self._button("retract_import", visible=False)
            self.restore_import = self._button("restore_import", visible=False)
        self.status = html("imported-said")
        self._wire(look)

    def _button(self, key: str, *, visible: bool = True) -> gr.Button:
        return gr.Button(text(f"imported.{key}"), elem_id=f"imported-{key.replace('_', '-')}", scale=0, visible=visible)

    def _wire(self, look: Look) -> None:
        self.seen, self.page, self.checked = hidden(), hidden(), hidden()
        query = [self.kind, self.source, self.state, self.find, self.page]
        buttons = [self.newer, self.older, self.retract_import, self.restore_import]
        drawn = [self.seen, self.page, self.source, self.rows, *buttons]
        gr.on(look, self.refresh, [self.seen, *query], drawn, **QUIET)
        changes = [self.kind.change, self.source.input, self.state.change, self.find.submit]
        gr.on(changes, self.show, query[:-1], drawn, **QUIET)
        for button, step in ((self.newer, -1), (self.older, 1)):
            button.click(partial(self.turn, step), query, drawn, **QUIET)
        for button, act in ((self.retract, self.retract_chosen), (self.restore, self.restore_chosen)):
            button.click(act, [self.checked, *query], [self.status, *drawn], js=CHECKED, **QUIET)
        for button, act_on_import in (
            (self.retract_import, self.retract_all),
            (self.restore_import, self.restore_all),
        ):
            button.click(act_on_import, query, [self.status, *drawn], **QUIET)

    def refresh(self, seen: str, kind: str, source: str, state: str, find: str, page: str) -> Updates:
        """Draw again when an import or a retraction came, so that checked rows stay checked."""
        if self._mark() == seen:
            return unchanged()
        return self.draw(_filter(kind, source, state, find), parse_number(page) or 1)

    def show(self, kind: str, source: str, state: str, find: str) -> Updates:
        """Draw the first page of the rows that match."""
        return self.draw(_filter(kind, source, state, find), 1)

    def turn(self, step: int, kind: str, source: str, state: str, find: str, page: str) -> Updates:
        """Draw the next page, or the one before."""
        return self.draw(_filter(kind, source, state, find), (parse_number(page) or 1) + step)

    def draw(self, wanted: RowFilter, page: int) -> Updates:
        """Return one page of rows, with the buttons that it needs."""
        total = self.store.imported_rows.count(wanted)
        page = min(max(1, page), last_page(total))
        rows = self.store.imported_rows.page(wanted, skip=(page - 1) * SHOWN, limit=SHOWN)
        filtered = bool(wanted.import_id or wanted.state or wanted.find.strip())
        one_import = gr.Button(visible=bool(wanted.import_id))
        known = import_choices(self.store)
        chosen = str(wanted.import_id or "")
        return {
            self.seen: self._mark(),
            self.page: str(page),
            self.source: gr.Dropdown(choices=known, value=chosen if chosen in dict(known).values() else ""),
            self.rows: draw_rows(rows, total, page, filtered),
            self.newer: gr.Button(visible=page > 1),
            self.older: gr.Button(visible=len(rows) == SHOWN and page < last_page(total)),
            self.retract_import: one_import,
            self.restore_import: one_import,
        }

    def retract_chosen(self, checked: str, *query: str) -> Updates:
        """Retract the checked rows; say how many, and which models they trained."""
        return self._act(query, lambda kind: {kind: _ids(checked)}, retract=True)

    def restore_chosen(self, checked: str, *query: str) -> Updates:
        """Take the checked rows back."""
        return self._act(query, lambda kind: {kind: _ids(checked)}, retract=False)

    def retract_all(self, *query: str) -> Updates:
        """Retract all rows of the chosen import."""
        return self._act(query, lambda _: self._of_import(query), retract=True)

    def restore_all(self, *query: str) -> Updates:
        """Take all rows of the chosen import back."""
        return self._act(query, lambda _: self._of_import(query), retract=False)

    def _of_import(self, query: tuple[str, ...]) -> dict[Kind, list[str]]:
        return self.store.retractions.of_import(parse_number(query[1]) or 0)

    def _act(
        self, query: tuple[str, ...], choose: Callable[[Kind], dict[Kind, list[str]]], *, retract: bool
    ) -> Updates:
        wanted, by = _filter(*query[:4]), audit_name(current_account())
        write = self.store.retractions.retract if retract else self.store.retractions.restore
        try:
            rows = choose(wanted.kind)
            changed = sum(write(kind, ids, by=by) for kind, ids in rows.items())
        except BadInput as problem:
            return {self.status: message_html(problem)}
        line, models = text(f"imported.said_{'retract' if retract else 'restore'}", n=changed), list[str]()
        if retract:
            trained = self._trained(rows)
            models = trained.direct + trained.derived
            line = f"{line} {describe_use(trained)}"
        return {self.status: message_html(line, *models), **self.draw(wanted, parse_number(query[4]) or 1)}

    def _trained(self, rows: dict[Kind, list[str]]) -> TrainedModels:
        """Return the models that rows of several kinds trained."""
        found = [models_trained_on(self.store, kind, ids) for kind, ids in rows.items()]
        direct = list(dict.fromkeys(id for models in found for id in models.direct))
        derived = dict.fromkeys(id for models in found for id in models.derived if id not in direct)
        return TrainedModels(direct, list(derived))

    def _mark(self) -> str:
        """Return a mark that changes with everything the rows show."""
        done = [row["id"] for row in self.store.imports.all() if row["revealed_at"]]
        return f"{len(done)} {self.store.retractions.last_id()}"


def _filter(kind: str, source: str | None, state: str | None, find: str | None) -> RowFilter:
    """Return the filter of the fields. Raises BadInput for a value that they do not offer."""
    state = state or ""
    if kind not in KINDS or state not in ("", *STATES):
        raise bad_input("imported.unknown_filter", value=f"{kind} {state}"[:40])
    states: dict[str, State] = {"": "", "used": "used", "retracted": "retracted"}
    kinds: dict[str, Kind] = {name: name for name in KINDS}
    return RowFilter(kinds[kind], parse_number(source) or 0, states[state], find or "")


def _ids(checked: str) -> list[str]:
    """Return the checked rows. Raises BadInput if there are none."""
    try:
        ids: Any = json.loads(checked or "[]")
    except ValueError:
        ids = []
    if not isinstance(ids, list) or not ids:
        raise bad_input("imported.none_chosen")
    return [str(id) for id in ids]

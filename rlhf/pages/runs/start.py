# SPDX-License-Identifier: Apache-2.0
"""Start a run: a form for each kind in its tab, and below them what the forms share.

Settings of device, memory, optimizer and LoRA mean the same in every kind. They stand here once, as the browser reads
each component of the site before it shows the first page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from data.settings import describe, keys
from data.store import Store
from labeling.accounts.current import current_account
from labeling.texts.pages import bad_input, text
from reward.page import QUIET, Updates, setting_field
from reward.report.view import message_html
from reward.training_settings import LoraSettings, TrainerSettings
from rlhf.kinds import KINDS
from rlhf.pages.components import hidden, html, unchanged
from rlhf.pages.runs.form import RunForm
from rlhf.runs.workloads import COUNTERS
from rlhf.sampling_settings import SamplingPlacement

MACHINE = {*keys(SamplingPlacement), *keys(TrainerSettings), *keys(LoraSettings)} - {"rank"}
"""Settings about device, servers that sample, memory, optimizer and LoRA."""
FIRST = next(iter(KINDS))
"""The kind whose tab is open at first."""


class StartPanel:
    """The forms by kind. `kind` is that on the screen; `needs`, the buttons and `status` are about it."""

    def __init__(self, store: Store) -> None:
        self.kind = gr.Textbox(FIRST, visible="hidden", elem_id="start-kind")
        self.defaults = hidden()
        self.forms: dict[str, RunForm] = {}
        with gr.Tabs(elem_id="kinds") as self.tabs:
            for kind in KINDS.values():
                with gr.Tab(kind.title, id=kind.name, elem_id=f"kind-{kind.name}"):
                    self.forms[kind.name] = RunForm(store, kind, apart=MACHINE)
        with gr.Accordion(text("runs.machine_settings"), open=False) as self.fold, gr.Row(elem_classes="fields"):
            self.machine = self._machine_fields()
        self.needs = html()
        with gr.Row(elem_classes="line"):
            self.start = gr.Button(variant="primary", elem_id="start-run", scale=0, **_titled(FIRST))
            self.estimate = gr.Button(text("runs.estimate"), elem_id="estimate-run", scale=0)
        self.memory_line, self.status = html(), html()

    def _machine_fields(self) -> dict[str, Component]:
        """Add the field of each shared setting that some kind has; the forms take those of theirs."""
        fields: dict[str, Component] = {}
        for name, form in self.forms.items():
            for setting in describe(form.kind.settings_class()):
                if setting.key in form.apart and setting.key not in fields:
                    shown = setting.key in self.forms[FIRST].apart
                    fields[setting.key] = setting_field(name, setting, (), elem_id=f"run-{setting.key}", visible=shown)
        for form in self.forms.values():
            form.share(fields)
        return fields

    def wire(self, chosen: Block) -> None:
        """Queue a run on a click; `chosen` is the field that then gets its id."""
        forms = self.forms.values()
        fields: set[Block] = {self.kind, *(field for form in forms for field in form.fields.values())}
        estimated: list[Block] = [self.memory_line, self.needs]
        # the browser alone says which tab is open: a click on Start may come before an answer of the server
        self.tabs.select(None, None, self.kind, js="() => openTab()", **QUIET)
        self.kind.change(self.show_kind, fields, [*self.kind_parts(), *estimated], **QUIET)
        self.start.click(partial(self.start_run, chosen=chosen), fields, [self.status, self.needs, chosen], **QUIET)
        self.estimate.click(self.show_estimate, fields, estimated, **QUIET)
        presets = [form.presets.choice for form in forms if form.presets]
        parts = [part for form in forms for part in form.filled_parts()]
        filled = gr.on([choice.input for choice in presets], self.fill, {self.kind, *presets}, parts, **QUIET)
        filled.then(self.show_estimate, fields, estimated, **QUIET)

    def show_kind(self, given: Mapping[Block, Any]) -> Updates:
        """Return the shared parts as the kind on the screen has them, and what its settings would take."""
        form = self._form(given)
        kind = form.kind.name
        shown: Updates = {field: type(field)(visible=key in form.apart) for key, field in self.machine.items()}
        titled = {self.start: gr.Button(**_titled(kind)), self.estimate: gr.Button(visible=kind in COUNTERS)}
        folded = {self.fold: gr.Accordion(visible=bool(form.apart))}
        return {self.status: "", **folded, **titled, **shown, **self.show_estimate(given)}

    def kind_parts(self) -> list[Block]:
        """Return the outputs of `show_kind` besides time and memory."""
        return [self.fold, self.status, self.start, self.estimate, *self.machine.values()]

    def start_run(self, given: Mapping[Block, Any], chosen: Block) -> Updates:
        """Queue a run of the kind on the screen."""
        form = self._form(given)
        missing = form.missing()
        line, run = form.submit(form.read(given), current_account().name)
        needs = "" if missing and line == message_html(missing) else form.outlook()
        return {self.status: line, self.needs: needs, **({chosen: run} if run else {})}

    def show_estimate(self, given: Mapping[Block, Any]) -> Updates:
        """Show the time and memory that a run with these settings would take."""
        form = self._form(given)
        settings = form.read(given)
        return {self.memory_line: form.memory(settings), self.needs: form.outlook(settings)}

    def fill(self, given: Mapping[Block, Any]) -> Updates:
        """Fill the fields of the kind on the screen as its preset has them."""
        form = self._form(given)
        return form.fill(given[form.presets.choice]) if form.presets else unchanged()

    def copy(self, kind: str, settings: Mapping[str, Any]) -> Updates:
        """Open the form of this kind with these settings; its other fields stay as they are."""
        form = self.forms[kind]
        opened = {self.fold: gr.Accordion(open=True)} if {*form.apart} & {*form.different(settings)} else {}
        return {self.tabs: gr.Tabs(selected=kind), self.kind: kind, **opened, **form.filled(settings)}

    def copied_parts(self, kinds: Iterable[str]) -> list[Block]:
        """Return the outputs of `copy` for these kinds."""
        forms = [self.forms[kind] for kind in kinds]
        parts = [part for form in forms for part in (form.more, *form.fields.values()) if part is not None]
        return list(dict.fromkeys([self.tabs, self.kind, self.fold, *parts]))

    def refresh(self, given: Mapping[Block, Any]) -> Updates:
        """Read again what the forms offer and need.

        `given` holds the kind, the fields that name models, and the defaults that they showed before.
        """
        try:
            shown = {kind: dict(values) for kind, values in json.loads(given[self.defaults] or "{}").items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise bad_input("refused.page_defaults") from error
        updates, defaults = dict[Block, object](), {}
        for kind, form in self.forms.items():
            form_updates, defaults[kind] = form.refreshed(given, shown.get(kind, {}))
            updates |= form_updates
        return {**updates, self.needs: self._form(given).outlook(), self.defaults: json.dumps(defaults)}

    def model_fields(self) -> set[Block]:
        """Return the inputs of `refresh`."""
        return {self.kind, self.defaults, *(field for form in self.forms.values() for field in form.models().values())}

    def refreshed(self) -> list[Block]:
        """Return the outputs of `refresh`, in the order of the page."""
        return sorted({self.needs, *self.model_fields()} - {self.kind}, key=lambda part: part._id)

    def _form(self, given: Mapping[Block, Any]) -> RunForm:
        form = self.forms.get(given[self.kind] or FIRST)
        if form is None:
            raise bad_input("refused.page_defaults")
        return form


def _titled(kind: str) -> dict[str, Any]:
    return {"value": text("runs.start_kind", kind=KINDS[kind].title)}

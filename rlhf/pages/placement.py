# SPDX-License-Identifier: Apache-2.0
"""The fold of the Policies page that sets the home's placement: where and how runs load base models."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.store import Store
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.texts.pages import setting_help, text
from reward.page import QUIET, Look, Updates
from reward.placement_settings import CHOICES, DEFAULTS, read_placement, write_placement
from reward.report.view import message_html
from rlhf.pages.components import hidden, html, unchanged


class PlacementFold:
    """The fields of the home's placement, and the button that keeps them."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        with gr.Accordion(text("policies.placement"), open=False):
            html(value=f"<p class=soft>{text('policies.placement_lead')}</p>")
            with gr.Row(elem_classes="fields"):
                self.fields = {key: _field(key, choices) for key, choices in CHOICES.items()}
            save = gr.Button(text("policies.placement_save"), scale=0, elem_id="save-placement")
            self.status = html()
        self.seen = hidden()
        shown = [self.seen, *self.fields.values()]
        gr.on(look, self.refresh, [self.seen], shown, **QUIET)
        save.click(self.save, list(self.fields.values()), [self.status, *shown], **QUIET)

    def refresh(self, seen: str) -> Updates:
        """Fill the fields with what the home keeps, unless the page has seen it: a person may be editing them."""
        kept = read_placement(self.store.home)
        mark = json.dumps(kept)
        return unchanged() if mark == seen else {self.seen: mark, **self._filled(kept)}

    def save(self, *values: str | None) -> Updates:
        """Keep the fields as the home's placement, and say what runs do from now on."""
        try:
            kept = write_placement(self.store.home, dict(zip(self.fields, values, strict=True)))
        except BadInput as problem:
            return {self.status: message_html(problem)}
        self.store.audit.add(audit_name(current_account()), "placement", **kept)
        return {self.status: message_html(text("policies.placement_saved")), **self._filled(kept)}

    def _filled(self, kept: dict[str, str]) -> Updates:
        return {field: kept[key] for key, field in self.fields.items()}


def _field(key: str, choices: tuple[str, ...] | None) -> gr.Dropdown | gr.Textbox:
    about: dict[str, Any] = {
        "label": key,
        "info": setting_help("sample", key),
        "min_width": 200,
        "elem_id": f"placement-{key}",
    }
    if choices is None:
        return gr.Textbox(value=DEFAULTS[key], max_lines=1, **about)
    return gr.Dropdown(list(choices), value=DEFAULTS[key], **about)

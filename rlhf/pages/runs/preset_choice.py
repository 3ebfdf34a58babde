# SPDX-License-Identifier: Apache-2.0
"""The choice of a preset above the form of a training: it fills the fields and marks those that it changed."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.components import Component

from data.settings import as_dict
from labeling.texts.pages import text
from reward.page import Updates
from rlhf.kinds import Kind
from rlhf.pages.components import html
from rlhf.pages.markup import esc
from rlhf.presets import PRESETS, STANDARD, preset_keys

CHANGED = "changed"
"""The style of a field that the preset changed."""


class PresetChoice:
    """The choice and the line below it, which names each changed setting with its value and its default."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.defaults = kind.name, as_dict(kind.settings_class()())
        quick, *slower = PRESETS[kind.name]
        choices = [(text(f"presets.{name}"), name) for name in (quick, STANDARD, *slower)]
        self.choice = gr.Radio(
            choices, value=STANDARD, label=text("presets.title"), elem_id=f"preset-{kind.name}", scale=0
        )
        self.line = html(f"preset-{kind.name}-line")

    def fill(
        self, name: str | None, fields: Mapping[str, Component], fold: gr.Accordion | None, folded: set[str]
    ) -> Updates:
        """Return the fields that some preset changes, as this one has them. The fold opens if one of them is in it."""
        values = PRESETS[self.kind].get(name or STANDARD, {})
        updates: Updates = {self.line: self.describe(name or STANDARD)}
        for key in preset_keys(self.kind):
            marks = [CHANGED] if key in values else []
            updates[fields[key]] = type(fields[key])(value=values.get(key, self.defaults[key]), elem_classes=marks)
        return updates | ({fold: gr.Accordion(open=True)} if fold and folded & set(values) else {})

    def describe(self, name: str) -> str:
        """Return a line with the settings that a preset changes; empty for the standard."""
        changes = [
            text("presets.change", setting=key.replace("_", " "), value=value, default=self.defaults[key])
            for key, value in PRESETS[self.kind].get(name, {}).items()
        ]
        if not changes:
            return ""
        line = text("presets.changes", preset=text(f"presets.{name}"), changes=", ".join(changes))
        return f"<p class=soft role=status>{esc(line)}</p>"

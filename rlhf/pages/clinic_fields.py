# SPDX-License-Identifier: Apache-2.0
"""The fields of the Clinic page's forms, by the key of the setting that each fills."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from labeling.texts.pages import text
from rlhf.pages.components import choices

COLOURS = ("cluster", "family", "source")
Fields = dict[str, Component]
Forms = dict[str, Fields]
"""The fields of each kind of run."""


def add_recipe() -> Fields:
    """Add the settings of a recipe."""
    with gr.Row(elem_classes="fields"):
        return {
            "rows": gr.Number(500, precision=0, minimum=0, min_width=140, **_labels("rows")),
            "min_quality": gr.Number(3, minimum=0, maximum=5, min_width=180, **_labels("min_quality")),
            "pick": gr.Dropdown(
                choices("clinic", ("diverse", "random")), value="diverse", min_width=180, **_labels("pick")
            ),
            "ratings": gr.Dropdown(
                choices("clinic", ("person", "simulated", "all")), value="person", min_width=180, **_labels("ratings")
            ),
            "name": gr.Textbox("", max_lines=1, min_width=180, **_labels("name")),
        }


def add_contest() -> Fields:
    """Add the settings of a trial: two snapshots and a judge."""
    with gr.Row(elem_classes="fields"):
        rows = [(text("clinic.all_rows"), "")]
        info = text("clinic.field_side_info")
        sides = {side: gr.Dropdown(rows, value="", label=side.upper(), info=info, min_width=230) for side in "ab"}
        rubric = [(text("clinic.rubric"), "")]
        return {**sides, "reward": gr.Dropdown(rubric, value="", min_width=180, **_labels("judge"))}


def add_sizes() -> Fields:
    """Add the numbers of rows of a curve."""
    with gr.Row(elem_classes="fields"):
        return {"counts": gr.Textbox("250,500,1000,2000,4000", max_lines=1, **_labels("sizes"))}


def _labels(field: str) -> dict[str, Any]:
    return {"label": text(f"clinic.field_{field}"), "info": text(f"clinic.field_{field}_info")}

# SPDX-License-Identifier: Apache-2.0
"""The fields in which the Projects page shows and changes a labeling project."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from data.tables.forms import RANKS, RATIONALES, SCALES
from labeling.texts.pages import text
from rlhf.pages.components import choices, hidden
from rlhf.pages.project_view import SWITCHES, task_name


def add_fields() -> dict[str, Component]:
    """Add the components that hold a project; return them by key."""
    return {**_numbers(), **_form(), **_people(), **_guideline()}


def _numbers() -> dict[str, Component]:
    with gr.Row(elem_classes="fields"):
        return {
            "name": gr.Textbox(label=text("projects.name"), max_lines=1, elem_id="project-name"),
            "overlap": gr.Number(label=text("projects.overlap"), minimum=1, step=0.1, elem_id="project-overlap"),
            "gold_rate": gr.Number(label=text("projects.gold_rate"), minimum=0, maximum=50),
            "repeat_rate": gr.Number(label=text("projects.repeat_rate"), minimum=0, maximum=50),
        }


def _form() -> dict[str, Component]:
    with gr.Row(elem_classes="fields"):
        fields: dict[str, Component] = {
            "rank": task_field("project-task"),
            "scale": gr.Radio(choices("projects", SCALES), label=text("projects.scale")),
            "rationale": gr.Radio(choices("projects", RATIONALES), label=text("projects.rationale")),
            "aspects": gr.Textbox(
                label=text("projects.aspects"),
                placeholder=text("projects.aspects_example"),
                max_lines=1,
                elem_id="project-aspects",
            ),
        }
    fields["switches"] = gr.CheckboxGroup(choices("projects", SWITCHES), label=text("projects.switches"))
    return fields


def task_field(elem_id: str) -> gr.Dropdown:
    """Return the field of a project's task."""
    tasks = [(task_name(rank), rank) for rank in RANKS]
    return gr.Dropdown(
        tasks, value=0, label=text("projects.task"), elem_id=elem_id, min_width=180, scale=0, filterable=False
    )


def _people() -> dict[str, Component]:
    with gr.Row(elem_classes="fields"):
        return {
            "people": gr.Dropdown(
                label=text("projects.people"), multiselect=True, allow_custom_value=True, elem_id="project-people"
            ),
            "everyone": gr.Checkbox(label=text("projects.everyone")),
            "closed": gr.Checkbox(label=text("projects.closed")),
        }


def _guideline() -> dict[str, Component]:
    label = text("projects.guideline")
    guideline = gr.Textbox(label=label, lines=8, max_lines=24, elem_id="project-guideline")
    return {"guideline": guideline, "version": hidden()}

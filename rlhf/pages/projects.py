# SPDX-License-Identifier: Apache-2.0
"""The Projects page: labeling projects with their pairs, people, guideline and form. Only the fields hold state."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.blocks import Block

from data.errors import BadInput
from data.store import Store
from data.tables.forms import Form
from data.tables.projects import Project
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.projects.verbs import set_gold
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import choose_address, project_link, unknown
from reward.report.view import message_html
from rlhf.pages.components import heading, hidden, html, table, unchanged, with_links
from rlhf.pages.project_fields import add_fields, task_field
from rlhf.pages.project_view import (
    COLUMNS,
    change_project,
    draw_flags,
    field_values,
    project_row,
    sampling_settings,
    version,
)
from rlhf.pages.runs.page import RunsPage

LINKED = ("project",)
"""Columns that hold links."""
MOST_PAIRS = 1_000_000
"""Largest number of pairs that one click moves."""


class ProjectsPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("projects")
        self.table = table("projects", COLUMNS, "projects-table", "projects.table", linked=LINKED)
        with gr.Row(elem_classes="line"):
            self.new = gr.Textbox(
                label=text("projects.new_name"), max_lines=1, min_width=220, scale=0, elem_id="project-new"
            )
            self.task = task_field("project-new-task")
            self.add = gr.Button(text("projects.create"), scale=0, elem_id="project-add")
        self.choice = gr.Dropdown(label=text("projects.choice"), allow_custom_value=True, elem_id="project-choice")
        self.status = html("project-told")
        self.fields = add_fields()
        with gr.Row(elem_classes="line"):
            self.save = gr.Button(text("projects.save"), variant="primary", scale=0, elem_id="project-save")
            self.sample = gr.Button(text("projects.sample"), scale=0, elem_id="project-sample")
        self._add_filling()
        self.flags = html("project-flags")
        self._wire(look)

    def _add_filling(self) -> None:
        with gr.Accordion(text("projects.fill_title"), open=False):
            with gr.Row(elem_classes="line"):
                self.count = gr.Number(
                    100, label=text("projects.pairs"), precision=0, minimum=1, min_width=120, scale=0
                )
                self.fill = gr.Button(text("projects.fill"), scale=0, elem_id="project-fill")
            with gr.Row(elem_classes="line"):
                self.judge = gr.Dropdown(
                    label=text("projects.gold_labeler"), allow_custom_value=True, min_width=220, scale=0
                )
                self.gold = gr.Button(text("projects.set_gold"), scale=0, elem_id="project-gold")

    def _wire(self, look: Look) -> None:
        self.chosen, self.listed = hidden(), hidden()
        listed = [self.listed, self.table, self.choice, self.status]
        on_address("projects", look, self.refresh, [self.chosen, self.listed, self.choice], listed)
        self.chosen.change(None, self.chosen, None, js=choose_address("projects"), **QUIET)
        self.choice.input(None, self.choice, None, js=choose_address("projects"), **QUIET)
        self.choice.change(self.show, self.choice, [*self.fields.values(), self.judge, self.flags], **QUIET)
        chosen = [self.chosen, self.choice, self.listed]
        self.add.click(self.create, [self.new, self.task], [self.status, self.new, *chosen], **QUIET)
        saved = [self.status, self.fields["version"], *chosen]
        self.save.click(self.change, {self.choice, *self.fields.values()}, saved, **QUIET)
        self.fill.click(self.move_pairs, [self.choice, self.count], [self.status, self.listed], **QUIET)
        self.gold.click(self.set_gold, [self.choice, self.judge], [self.status, self.listed], **QUIET)

    def wire_sampling(self, runs: RunsPage) -> None:
        """Open the form of a sampling run for the chosen project on the Runs page."""

        def open_form(name: str | None) -> Updates:
            project = self.store.projects.by_name(name or "")
            return runs.open_form("sample", sampling_settings(project))

        opened = self.sample.click(open_form, self.choice, runs.form_parts("sample"), **QUIET)
        opened.success(None, js="() => { location.hash = 'runs'; }", **QUIET)

    def refresh(self, chosen: str, listed: str, shown: str | None) -> Updates:
        """Draw the table again when anything in it changed, and choose the address's project; edited fields stay."""
        rows = [project_row(self.store, project) for project in self.store.projects.all()]
        names = [row[0] for row in rows]
        wanted = chosen or names[0]
        value = wanted if wanted in names else None
        updates: Updates = {}
        if str(rows) != listed:
            updates |= {self.listed: str(rows), self.table: with_links(COLUMNS, rows, LINKED, project_link)}
        if value is None:
            updates[self.status] = message_html(unknown("projects", wanted))
        elif value != shown:
            updates[self.status] = ""
        if updates or value != shown:
            updates[self.choice] = gr.Dropdown(choices=names, value=value)
        return updates or unchanged()

    def show(self, name: str | None) -> Updates:
        """Put the project into the fields."""
        try:
            project = self.store.projects.by_name(name or "")
        except BadInput:
            return unchanged()
        people = [person.name for person in self.store.accounts.all() if not person.disabled]
        values: Updates = {self.fields[key]: value for key, value in field_values(self.store, project).items()}
        members = gr.Dropdown(choices=people, value=self.store.projects.members(project.id))
        about: Updates = {self.judge: gr.Dropdown(choices=people), self.flags: draw_flags(self.store, project)}
        return {**values, self.fields["people"]: members, **about}

    def create(self, name: str, rank: int = 0) -> Updates:
        """Create a project without people and pairs, for pairs or for rankings of `rank` answers."""
        try:
            with self.store.transaction():
                project = self.store.projects.add(name, form=Form(rank=rank))
                self.store.audit.add(audit_name(current_account()), "project added", project=project.name)
        except BadInput as problem:
            return {self.status: message_html(problem)}
        line = message_html(text("projects.created", name=project.name))
        return {self.status: line, self.new: "", **self._chosen(project)}

    def change(self, given: Mapping[Block, object]) -> Updates:
        """Save what the fields hold, all or nothing."""
        values = {key: given[field] for key, field in self.fields.items()}
        try:
            project = change_project(self.store, str(given[self.choice] or ""), values, audit_name(current_account()))
        except BadInput as problem:
            return {self.status: message_html(problem)}
        line = message_html(text("projects.saved", name=project.name, version=project.guideline_version))
        return {self.status: line, self.fields["version"]: version(project), **self._chosen(project)}

    def move_pairs(self, name: str | None, count: float | None) -> Updates:
        """Move waiting pairs of Standard to the project."""
        try:
            project = self.store.projects.by_name(name or "")
            with self.store.transaction():
                moved = self.store.projects.move_unjudged(project.id, limit=int(min(max(1, count or 1), MOST_PAIRS)))
                self.store.audit.add(audit_name(current_account()), "project filled", project=project.name, moved=moved)
        except BadInput as problem:
            return {self.status: message_html(problem)}
        line = text("projects.filled", n=moved, name=project.name) if moved else text("projects.nothing_to_move")
        return {self.status: message_html(line), self.listed: ""}

    def set_gold(self, name: str | None, labeler: str | None) -> Updates:
        """Make a labeler's verdicts on the project's pairs the right answers of gold items."""
        try:
            project, judge = self.store.projects.by_name(name or ""), self.store.accounts.by_name(labeler or "")
            if judge is None:
                raise Refusal("train.projects.no_judge", name=labeler or "")
            pairs = set_gold(self.store, project, judge, by=audit_name(current_account()))
        except BadInput as problem:
            return {self.status: message_html(problem)}
        return {self.status: message_html(text("projects.gold_set", n=pairs, name=project.name)), self.listed: ""}

    def _chosen(self, project: Project) -> Updates:
        """Return the list of projects with this one chosen, and a table to draw again."""
        names = [project.name for project in self.store.projects.all()]
        return {
            self.choice: gr.Dropdown(choices=names, value=project.name),
            self.chosen: project.name,
            self.listed: "",
        }

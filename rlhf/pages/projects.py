"""Projects: what labelers are asked about which pairs, by which guideline, who is asked, and how far each project is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.store import Store
from data.tables.forms import RATIONALES, SCALES, Form
from data.tables.projects import Project
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.page.control_characters import escape_control_characters
from rlhf.pages.components import QUIET, WHERE, Looks, empty, esc, heading, html, said

HEADERS = ["Project", "Items", "Judged", "Answers", "By", "Overlap", "Gold items", "Gold", "Repeats", "Who", "State"]
SWITCHES = {
    "tie": "The same",
    "both_bad": "Both bad",
    "skip": "Skip, with a reason",
    "flag": "Flag, with a reason",
    "edit": "Edit the better answer",
    "markdown": "Answers shown formatted (Markdown)",
}
SCALE_NAMES = {"graded": "Graded: much, clearly, slightly", "plain": "Plain: A or B"}
FLAGS = 10


class ProjectsPage:
    """The page's components and its handlers. Nothing is remembered between two events but what the fields hold."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        heading(
            "Projects", "Each has pairs, people, a guideline and a form. Standard has what no other project was given."
        )
        self.table = gr.Dataframe(
            headers=HEADERS, interactive=False, elem_id="projects-table", label="Labeling projects"
        )
        with gr.Row(elem_classes="line"):
            self.new = gr.Textbox(
                label="Name of a new project", max_lines=1, min_width=220, scale=0, elem_id="project-new"
            )
            self.add = gr.Button("Create it", scale=0, elem_id="project-add")
        self.choice = gr.Dropdown(label="Project shown below", allow_custom_value=True, elem_id="project-choice")
        self.told = html("project-told")
        self.fields = fields()
        with gr.Row(elem_classes="line"):
            self.save = gr.Button("Save the project", variant="primary", scale=0, elem_id="project-save")
        with gr.Accordion("Fill it, and gold items", open=False):
            with gr.Row(elem_classes="line"):
                self.count = gr.Number(100, label="Pairs", precision=0, minimum=1, min_width=120, scale=0)
                self.fill = gr.Button("Move waiting pairs here from Standard", scale=0, elem_id="project-fill")
            with gr.Row(elem_classes="line"):
                self.judge = gr.Dropdown(label="As judged by", allow_custom_value=True, min_width=220, scale=0)
                self.gold = gr.Button("Make gold what they said of its pairs", scale=0, elem_id="project-gold")
        self.flags = html("project-flags")
        self.where, self.listed = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        self.wire(looks)

    def wire(self, looks: Looks) -> None:
        """Which event calls what."""
        shown = [*self.fields.values(), self.judge, self.flags]
        gr.on(
            looks,
            self.tick,
            [self.where, self.listed, self.choice],
            [self.listed, self.table, self.choice],
            js=WHERE,
            **QUIET,
        )
        self.choice.change(self.show, self.choice, shown, **QUIET)
        self.table.select(self.choose, None, self.choice, **QUIET)
        self.add.click(self.create, self.new, [self.told, self.choice, self.new, self.listed], **QUIET)
        saved = [self.told, self.choice, self.listed, self.fields["version"]]
        self.save.click(self.change, [self.choice, *self.fields.values()], saved, **QUIET)
        self.fill.click(self.move, [self.choice, self.count], [self.told, self.listed], **QUIET)
        self.gold.click(self.set_gold, [self.choice, self.judge], [self.told, self.listed], **QUIET)

    def tick(self, place: str, listed: str, chosen: str | None) -> list:
        """The table again, when anything in it changed; a project that is being edited stays the one that is shown."""
        if place.split("/")[0] != "#projects":
            return [gr.skip()] * 3
        rows = table(self.store)
        if str(rows) == listed:
            return [gr.skip()] * 3
        names = [row[0] for row in rows]
        choice = gr.Dropdown(choices=names) if chosen else gr.Dropdown(choices=names, value=names[0])
        return [str(rows), rows, choice]

    def choose(self, event: gr.SelectData) -> str:
        """A click on a row."""
        return event.row_value[0]

    def show(self, name: str) -> list:
        """The project in the fields."""
        try:
            project = self.store.projects.by_name(name or "")
        except BadInput:
            return [gr.skip()] * (len(self.fields) + 2)
        people = [account.name for account in self.store.accounts.all() if not account.disabled]
        values = filled(self.store, project) | {
            "people": gr.Dropdown(choices=people, value=self.store.projects.members(project.id))
        }
        return [*(values[key] for key in self.fields), gr.Dropdown(choices=people), draw_flags(self.store, project)]

    def create(self, name: str) -> list:
        """A new project, open to nobody yet."""
        account = current_account()
        try:
            project = self.store.projects.add(name)
        except BadInput as problem:
            return [said(problem), *[gr.skip()] * 3]
        self.store.audit.add(audit_name(account), "project added", project=project.name)
        line = said(f"{project.name} is there. Give it people and pairs.")
        return [
            line,
            gr.Dropdown(choices=[each.name for each in self.store.projects.all()], value=project.name),
            "",
            "",
        ]

    def change(self, name: str, *given: Any) -> list:
        """Save what the fields hold, all or nothing."""
        account = current_account()
        try:
            project = change(self.store, name or "", dict(zip(self.fields, given, strict=True)), audit_name(account))
        except BadInput as problem:
            return [said(problem), *[gr.skip()] * 3]
        names = [each.name for each in self.store.projects.all()]
        line = said(f"{project.name} is saved; its guideline is version {project.guideline_version}.")
        return [line, gr.Dropdown(choices=names, value=project.name), "", version(project)]

    def move(self, name: str, count: float) -> list:
        """Waiting pairs of Standard go to the project."""
        account = current_account()
        try:
            project = self.store.projects.by_name(name or "")
            moved = self.store.projects.move_unjudged(project.id, limit=max(1, int(count or 1)))
        except BadInput as problem:
            return [said(problem), gr.skip()]
        self.store.audit.add(audit_name(account), "project filled", project=project.name, moved=moved)
        return [
            said(f"{moved} moved to {project.name}." if moved else "Nothing waits in Standard that could move."),
            "",
        ]

    def set_gold(self, name: str, person: str) -> list:
        """What a person said of the project's pairs becomes what is right."""
        account = current_account()
        try:
            project, judge = self.store.projects.by_name(name or ""), self.store.accounts.by_name(person or "")
            if judge is None:
                raise BadInput(f"there is no account {person!r}", "Choose who judged the pairs.")
            made = self.store.gold.set_from_comparisons(project.id, judge)
        except BadInput as problem:
            return [said(problem), gr.skip()]
        self.store.audit.add(
            audit_name(account), "gold items set", project=project.name, judged_by=judge.id, pairs=made
        )
        return [said(f"{made} pairs of {project.name} are gold now."), ""]


def fields() -> dict[str, Any]:
    """The components that hold a project, by key."""
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="fields"):
        made["name"] = gr.Textbox(label="Name", max_lines=1, elem_id="project-name")
        made["overlap"] = gr.Number(
            label="Overlap: labelers for a pair, on average", minimum=1, step=0.1, elem_id="project-overlap"
        )
        made["gold_rate"] = gr.Number(label="Gold items (% of what a labeler is handed)", minimum=0, maximum=50)
        made["repeat_rate"] = gr.Number(label="Planned repeats (%)", minimum=0, maximum=50)
    with gr.Row(elem_classes="fields"):
        made["scale"] = gr.Radio([(SCALE_NAMES[name], name) for name in SCALES], label="Scale")
        made["rationale"] = gr.Radio([(name.capitalize(), name) for name in RATIONALES], label="Rationale")
        made["aspects"] = gr.Textbox(
            label="Aspects, by comma", placeholder="helpful, harmless, honest", max_lines=1, elem_id="project-aspects"
        )
    made["switches"] = gr.CheckboxGroup(
        [(label, name) for name, label in SWITCHES.items()], label="A labeler may say or do"
    )
    with gr.Row(elem_classes="fields"):
        made["people"] = gr.Dropdown(
            label="People given to it", multiselect=True, allow_custom_value=True, elem_id="project-people"
        )
        made["everyone"] = gr.Checkbox(label="Every labeler is in it")
        made["closed"] = gr.Checkbox(label="Closed: none of its items are handed out")
    made["guideline"] = gr.Textbox(
        label="Guideline (Markdown); a change makes a new version", lines=8, max_lines=24, elem_id="project-guideline"
    )
    made["version"] = gr.Textbox(visible="hidden")
    return made


def filled(store: Store, project: Project) -> dict[str, Any]:
    """What the fields hold for a project, but for its people."""
    form = project.form
    return {
        "name": project.name,
        "overlap": project.overlap,
        "gold_rate": 100 * project.gold_rate,
        "repeat_rate": 100 * project.repeat_rate,
        "scale": form.scale,
        "rationale": form.rationale,
        "aspects": ", ".join(form.aspects),
        "switches": [name for name in SWITCHES if getattr(form, name)],
        "everyone": project.everyone,
        "closed": project.closed,
        "guideline": store.projects.guideline(project.id).text,
        "version": version(project),
    }


def change(store: Store, name: str, given: Mapping[str, Any], by: str) -> Project:
    """Save the fields of a project. Raises BadInput where one makes no sense, or where somebody wrote a newer guideline meanwhile."""
    aspects = tuple(part.strip() for part in (given["aspects"] or "").split(",") if part.strip())
    switches = {switch: switch in (given["switches"] or []) for switch in SWITCHES}
    form = Form(scale=given["scale"], rationale=given["rationale"], aspects=aspects, **switches)
    rates = {rate: (given[rate] or 0) / 100 for rate in ("gold_rate", "repeat_rate")}
    flags = {flag: bool(given[flag]) for flag in ("everyone", "closed")}
    with store.transaction():
        project = store.projects.by_name(name)
        if given["version"] != version(project):
            raise BadInput(
                f"{project.name} is not what was shown, or somebody wrote its guideline meanwhile", "Choose it again."
            )
        texts = {"name": given["name"] or "", "guideline": given["guideline"] or ""}
        store.projects.change(project.id, form=form, overlap=given["overlap"] or 0, **texts, **rates, **flags)
        set_people(store, project, given["people"] or [])
        store.audit.add(by, "project changed", project=project.name)
        return store.projects.get(project.id)


def version(project: Project) -> str:
    """What the fields hold beside a project, by which a save finds out that they show another one or an older guideline."""
    return f"{project.id}.{project.guideline_version}"


def set_people(store: Store, project: Project, names: list[str]) -> None:
    """Exactly these people are given to the project. Raises BadInput for a name that no account has."""
    accounts = [store.accounts.by_name(name) for name in names]
    if None in accounts:
        raise BadInput(f"there is no account {names[accounts.index(None)]!r}", "Choose people from the list.")
    before = [store.accounts.by_name(name) for name in store.projects.members(project.id)]
    store.projects.remove_members(project.id, [account for account in before if account not in accounts])
    store.projects.add_members(project.id, accounts)


def table(store: Store) -> list[list]:
    """One row for a project."""
    return [row(store, project) for project in store.projects.all()]


def row(store: Store, project: Project) -> list:
    """How far it is, and who is in it."""
    counts = store.projects.counts(project.id)
    members = len(store.projects.members(project.id))
    who = "everyone" if project.everyone else f"{members} people" if members else "nobody yet"
    return [
        project.name,
        counts["pairs"] + counts["rankings"],
        counts["judged"] + counts["ranked"],
        counts["answers"],
        counts["labelers"],
        project.overlap,
        counts["gold"],
        f"{project.gold_rate:.0%}",
        f"{project.repeat_rate:.0%}",
        who,
        "closed" if project.closed else "open",
    ]


def draw_flags(store: Store, project: Project) -> str:
    """What labelers found amiss lately."""
    flags = store.assignments.flags(project.id, FLAGS)
    if not flags:
        return empty(f"Nobody has flagged an item of {project.name}.")
    lines = "".join(
        f"<p><bdi>{esc(escape_control_characters(flag['reason']))}</bdi> <span class=soft><bdi>{esc(flag['labeler'])}</bdi>:"
        f" <bdi>{esc(escape_control_characters(flag['prompt'][:200]))}</bdi></span></p>"
        for flag in flags
    )
    return f"<h2>Flagged lately</h2><div class=card>{lines}</div>"

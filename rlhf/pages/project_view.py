# SPDX-License-Identifier: Apache-2.0
"""A labeling project on the Projects page: its row, fields and flags; and how the fields are saved. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.store import Store
from data.tables.forms import Form
from data.tables.projects import Changes, Project
from labeling.page.control_characters import escape_control_characters
from labeling.projects.verbs import audit_change, change_members
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from rlhf.pages.markup import empty, esc

COLUMNS = (
    "project",
    "task",
    "items",
    "judged",
    "answers",
    "labelers",
    "overlap",
    "gold",
    "gold_rate",
    "repeats",
    "who",
    "state",
)
SWITCHES = ("tie", "both_bad", "skip", "flag", "edit", "markdown")
FLAGS = 10


def field_values(store: Store, project: Project) -> dict[str, Any]:
    """Return what the fields hold for a project, except its people."""
    form = project.form
    return {
        "name": project.name,
        "overlap": project.overlap,
        "gold_rate": 100 * project.gold_rate,
        "repeat_rate": 100 * project.repeat_rate,
        "rank": form.rank,
        "scale": form.scale,
        "rationale": form.rationale,
        "aspects": ", ".join(form.aspects),
        "switches": [name for name in SWITCHES if getattr(form, name)],
        "everyone": project.everyone,
        "closed": project.closed,
        "guideline": store.projects.guideline(project.id).text,
        "version": version(project),
    }


def change_project(store: Store, name: str, given: Mapping[str, Any], by: str) -> Project:
    """Save the fields of a project. Raise BadInput for an invalid value or a guideline changed meanwhile."""
    with store.transaction():
        project = store.projects.by_name(name)
        if given["version"] != version(project):
            raise Refusal("train.projects.changed_meanwhile", name=project.name)
        changed = store.projects.change(project.id, **_changes(given))
        set_people(store, project, given["people"] or [], by)
        audit_change(store, project, changed, by=by)
        return changed


def version(project: Project) -> str:
    """Return a mark of project and guideline version: a save is refused if the fields show another one."""
    return f"{project.id}.{project.guideline_version}"


def set_people(store: Store, project: Project, names: list[str], by: str) -> None:
    """Assign exactly these people to the project. Raise BadInput for a name that no account has."""
    people = []
    for name in names:
        person = store.accounts.by_name(name)
        if person is None:
            raise Refusal("train.projects.no_account", name=name)
        people.append(person)
    named = (store.accounts.by_name(name) for name in store.projects.members(project.id))
    members = [member for member in named if member]
    removed = [member for member in members if member not in people]
    change_members(store, project, [person for person in people if person not in members], removed, by=by)


def project_row(store: Store, project: Project) -> list[Any]:
    """Return a row under COLUMNS: progress of the project and who is in it."""
    counts = store.projects.counts(project.id)
    return [
        project.name,
        task_name(project.form.rank),
        counts["pairs"] + counts["rankings"],
        counts["judged"] + counts["ranked"],
        counts["answers"],
        counts["labelers"],
        project.overlap,
        counts["gold"],
        f"{project.gold_rate:.0%}",
        f"{project.repeat_rate:.0%}",
        _who(project, len(store.projects.members(project.id))),
        text("projects.state_closed" if project.closed else "projects.state_open"),
    ]


def draw_flags(store: Store, project: Project) -> str:
    """Return the newest flags of labelers with their reasons."""
    flags = store.assignments.flags(project.id, FLAGS)
    if not flags:
        return empty(text("projects.no_flags", name=project.name))
    lines = "".join(_flag(flag["labeler"], flag["reason"], flag["prompt"][:200]) for flag in flags)
    return f"<h2>{esc(text('projects.flags'))}</h2><div class=card>{lines}</div>"


def _flag(labeler: str, reason: str, prompt: str) -> str:
    reason, prompt = (esc(escape_control_characters(value)) for value in (reason, prompt))
    about = f"<span class=soft><bdi>{esc(labeler)}</bdi>: <bdi>{prompt}</bdi></span>"
    return f"<p><bdi>{reason}</bdi> {about}</p>"


def _changes(given: Mapping[str, Any]) -> Changes:
    return {
        "name": given["name"] or "",
        "overlap": given["overlap"] or 0,
        "gold_rate": (given["gold_rate"] or 0) / 100,
        "repeat_rate": (given["repeat_rate"] or 0) / 100,
        "everyone": bool(given["everyone"]),
        "closed": bool(given["closed"]),
        "guideline": given["guideline"] or "",
        "form": _form(given),
    }


def _form(given: Mapping[str, Any]) -> Form:
    aspects = tuple(part.strip() for part in (given["aspects"] or "").split(",") if part.strip())
    switches = {switch: switch in (given["switches"] or []) for switch in SWITCHES}
    fields = {name: given[name] for name in ("rank", "scale", "rationale")}
    return Form.of({"aspects": aspects, **fields, **switches})


def task_name(rank: int) -> str:
    """Return the task of a project's labelers in words: pairs, or a ranking of so many answers."""
    return text("projects.task_ranking", n=rank) if rank else text("projects.task_pairs")


def sampling_settings(project: Project) -> dict[str, Any]:
    """Return the settings of a sampling run that fills the project."""
    rank = project.form.rank
    task = {"pairs": "ranking", "per_prompt": rank} if rank else {"pairs": "disjoint", "per_prompt": 2}
    return {"project": project.name, **task}


def _who(project: Project, members: int) -> str:
    if project.everyone:
        return text("projects.who_everyone")
    return text("projects.who_members", n=members) if members else text("projects.who_nobody")

# SPDX-License-Identifier: Apache-2.0
"""Documents of labeling projects: plain values for `--json`, and their text for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from data.store import Store
from data.tables.projects import Project

Document = dict[str, Any]


def as_document(store: Store, project: Project) -> Document:
    """Return a project with its counts."""
    return asdict(project) | {"counts": store.projects.counts(project.id)}


def with_people(store: Store, project: Project) -> Document:
    """Return a project with its counts, people and guideline."""
    more = {"people": store.projects.members(project.id), "guideline": store.projects.guideline(project.id).text}
    return as_document(store, project) | more


def render_list(document: Document) -> str:
    """Format one line per project."""
    return "\n".join(render_line(project) for project in document["projects"])


def render_line(project: Document) -> str:
    """Format name, progress and people."""
    counts = project["counts"]
    items, judged = counts["pairs"] + counts["rankings"], counts["judged"] + counts["ranked"]
    marks = [word for word, is_so in (("everyone", project["everyone"]), ("closed", project["closed"])) if is_so]
    return " ".join((f"{project['name']:<24} {judged}/{items} items judged, {counts['answers']} answers", *marks))


def render_show(document: Document) -> str:
    """Format a project without its internal numbers."""
    rates = f"overlap {document['overlap']:g}, gold {document['gold_rate']:.0%}, repeats {document['repeat_rate']:.0%}"
    form = ", ".join(
        f"{name}={','.join(value) if isinstance(value, tuple) else value}" for name, value in document["form"].items()
    )
    who = ", ".join(document["people"]) or ("everyone" if document["everyone"] else "nobody yet")
    lines = (
        render_line(document),
        rates,
        f"form: {form}",
        f"people: {who}",
        f"guideline, version {document['guideline_version']}:",
    )
    return "\n".join((*lines, document["guideline"]))


def render_moved(document: Document) -> str:
    """Format the number of items that moved into a project."""
    return f"{document['moved']} moved."


def render_gold(document: Document) -> str:
    """Format the number of new gold items, or of pairs that are ordinary again."""
    return f"{document['unset']} no longer gold." if "unset" in document else f"{document['gold']} gold items."

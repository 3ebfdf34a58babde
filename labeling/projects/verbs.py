# SPDX-License-Identifier: Apache-2.0
"""Commands of `preference-loop projects`: each reads or changes the store and returns a document."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Account
from data.sqlite.schema.projects import STANDARD_GUIDELINE
from data.store import Store
from data.tables.forms import parse_form
from data.tables.project_settings import GUIDELINE_LENGTH
from data.tables.projects import Project
from labeling.projects.documents import Document, as_document, with_people
from labeling.texts.pages import bad_input

ACTOR = "command line"
SETTINGS = ("overlap", "gold_rate", "repeat_rate")
SWITCHES = {
    "everyone": ("everyone", True),
    "given": ("everyone", False),
    "close": ("closed", True),
    "open": ("closed", False),
}


def changed_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the options change, without form and guideline."""
    numbers = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    return numbers | {field: value for switch, (field, value) in SWITCHES.items() if getattr(args, switch)}


def cmd_list(args: argparse.Namespace) -> Document:
    """Return {projects: [...]} with counts."""
    store = open_store(args)
    return {"projects": [as_document(store, project) for project in store.projects.all()]}


def cmd_show(args: argparse.Namespace) -> Document:
    """Return one project. Raises BadInput for an unknown name."""
    store = open_store(args)
    return with_people(store, store.projects.by_name(args.project))


def cmd_add(args: argparse.Namespace) -> Document:
    """Create a project. Raises BadInput for an invalid setting."""
    store = open_store(args)
    guideline = read_guideline(args.guideline) if args.guideline else STANDARD_GUIDELINE
    with store.transaction():
        project = store.projects.add(args.project, guideline, form=parse_form(args.form), **changed_settings(args))
        store.audit.add(ACTOR, "project added", project=project.name)
    return with_people(store, project)


def cmd_change(args: argparse.Namespace) -> Document:
    """Change a project, all or nothing. Raises BadInput."""
    store = open_store(args)
    guideline = read_guideline(args.guideline) if args.guideline else None
    with store.transaction():
        project = store.projects.by_name(args.project)
        settings = changed_settings(args) | ({"name": args.rename} if args.rename else {})
        if args.form:
            settings["form"] = parse_form(args.form, project.form)
        if guideline is not None:
            settings["guideline"] = guideline
        changed = store.projects.change(project.id, **settings)
        audit_change(store, project, changed, by=ACTOR)
    return with_people(store, changed)


def audit_change(store: Store, before: Project, after: Project, *, by: str) -> None:
    """Record which settings of a project differ, and the version of a new guideline."""
    changed = sorted(name for name, value in asdict(after).items() if value != asdict(before)[name])
    version = {"guideline_version": after.guideline_version} if "guideline_version" in changed else {}
    store.audit.add(by, "project changed", project=after.name, changed=changed, **version)


def cmd_give(args: argparse.Namespace) -> Document:
    """Add people to a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    change_members(store, project, find_accounts(store, args.people), [], by=ACTOR)
    return with_people(store, project)


def cmd_take(args: argparse.Namespace) -> Document:
    """Remove people from a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    change_members(store, project, [], find_accounts(store, args.people), by=ACTOR)
    return with_people(store, project)


def cmd_fill(args: argparse.Namespace) -> Document:
    """Move pairs and rankings without an answer into a project; {moved}."""
    store = open_store(args)
    target, origin = store.projects.by_name(args.project), store.projects.by_name(args.origin)
    run = None if args.of_run is None else store.runs.get(parse_id(args.of_run, RUN)).id
    with store.transaction():
        moved = store.projects.move_unjudged(
            target.id, from_id=origin.id, run_id=run, source=args.source, limit=args.limit
        )
        store.audit.add(ACTOR, "project filled", project=target.name, moved=moved)
    return {"moved": moved}


def cmd_gold(args: argparse.Namespace) -> Document:
    """Make gold items of a person's answers, or ordinary pairs of gold items; {gold} or {unset}: how many."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    if args.unset:
        return {"unset": unset_gold(store, project, args.unset)}
    (person,) = find_accounts(store, [args.person])
    return {"gold": set_gold(store, project, person, by=ACTOR)}


def set_gold(store: Store, project: Project, person: Account, *, by: str) -> int:
    """Make gold items of a person's answers in a project; return their number. Raises BadInput."""
    with store.transaction():
        pairs = store.gold.set_from_comparisons(project.id, person)
        store.audit.add(by, "gold items set", project=project.name, judged_by=person.id, pairs=pairs)
        return pairs


def change_members(store: Store, project: Project, added: list[Account], removed: list[Account], *, by: str) -> None:
    """Add people to a project and remove others from it."""
    with store.transaction():
        for people, change, action in (
            (removed, store.projects.remove_members, "members removed"),
            (added, store.projects.add_members, "members added"),
        ):
            change(project.id, people)
            if people:
                store.audit.add(by, action, project=project.name, accounts=[person.id for person in people])


def unset_gold(store: Store, project: Project, pair_ids: list[int]) -> int:
    """Make gold items of the project ordinary pairs, all or none.

    Raises BadInput for a pair that is no gold item of it.
    """
    items = {item.pair_id for item in store.gold.all(project.id)}
    with store.transaction():
        for pair_id in pair_ids:
            if pair_id not in items:
                first_items = ", ".join(map(str, sorted(items)[:10])) or "none"
                raise BadInput(
                    f"pair {pair_id} is not a gold item of {project.name}",
                    f"Its gold items: {first_items}.",
                    field="unset",
                )
            store.gold.unset(pair_id)
        store.audit.add(ACTOR, "gold items unset", project=project.name, pairs=pair_ids)
    return len(pair_ids)


def find_accounts(store: Store, names: list[str]) -> list[Account]:
    """Return the accounts of these names. Raises BadInput for an unknown name."""
    accounts = []
    for name in names:
        account = store.accounts.by_name(name)
        if account is None:
            raise bad_input("refused.account_unknown", field="person", account=name)
        accounts.append(account)
    return accounts


def read_guideline(name: str) -> str:
    """Return the text of a file, or of standard input for '-'. Raises BadInput."""
    if name == "-":
        return sys.stdin.read()
    try:
        with Path(name).open(encoding="utf-8") as file:
            return file.read(GUIDELINE_LENGTH + 1)
    except OSError as error:
        raise BadInput(error.strerror or str(error), "Name a text file.", file=name) from error
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8", "Save it as UTF-8.", file=name) from error

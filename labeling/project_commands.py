# SPDX-License-Identifier: Apache-2.0
"""`preference-loop projects`: labeling projects, their people, pairs, guidelines and gold items."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Account
from data.sqlite.migrations import STANDARD_GUIDELINE
from data.store import Store
from data.tables.forms import parse_form
from data.tables.project_settings import GUIDELINE_LENGTH
from data.tables.projects import Project

Command = Callable[[argparse.Namespace], dict[str, Any]]
Render = Callable[[dict[str, Any]], str]
ACTOR = "command line"
SETTINGS = ("overlap", "gold_rate", "repeat_rate")
SWITCHES = {
    "everyone": ("everyone", True),
    "given": ("everyone", False),
    "close": ("closed", True),
    "open": ("closed", False),
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add `projects list|show|add|change|give|take|fill|gold`."""
    verbs = subparsers.add_parser(
        "projects", help="manage labeling projects: forms, guidelines, people, items"
    ).add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", parents=[common], help="list all projects with their counts").set_defaults(
        run=cmd_list, render=render_list
    )
    add_project_command(
        verbs, common, "show", "show one project: form, rates, people, guideline", cmd_show, render_show
    )
    add = add_project_command(verbs, common, "add", "create a project", cmd_add, render_show)
    change = add_project_command(
        verbs, common, "change", "change the given settings; the guideline gets a new version", cmd_change, render_show
    )
    change.add_argument("--rename", metavar="NAME", help="give the project another name")
    for command in (add, change):
        add_settings(command)
    for name, run, help in (
        ("give", cmd_give, "add people to a project"),
        ("take", cmd_take, "remove people from a project"),
    ):
        add_project_command(verbs, common, name, help, run, render_show).add_argument(
            "people", nargs="+", metavar="PERSON", help="names of accounts"
        )
    fill = add_project_command(
        verbs,
        common,
        "fill",
        "move open pairs and rankings into a project",
        cmd_fill,
        lambda shown: f"{shown['moved']} moved.",
    )
    fill.add_argument(
        "--from",
        dest="origin",
        default="Standard",
        metavar="NAME",
        help="the project to move them from (default %(default)s)",
    )
    fill.add_argument("--run", dest="of_run", metavar="RUN", help="only items of this run, such as run3")
    fill.add_argument("--source", help="only items of prompts from this source, such as the name of an imported file")
    fill.add_argument("--limit", type=int, metavar="N", help="the largest number of pairs to move")
    gold = add_project_command(
        verbs,
        common,
        "gold",
        "make gold items of a person's answers, or ordinary pairs of gold items",
        cmd_gold,
        lambda shown: f"{shown['unset']} no longer gold." if "unset" in shown else f"{shown['gold']} gold items.",
    ).add_mutually_exclusive_group(required=True)
    gold.add_argument("--as-judged-by", dest="person", metavar="PERSON", help="the person whose answers are right")
    gold.add_argument("--unset", nargs="+", type=int, metavar="PAIR", help="pair numbers, as exports show them")


def add_project_command(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    name: str,
    text: str,
    run: Command,
    render: Render,
) -> argparse.ArgumentParser:
    """Add a command on one project, which its name identifies."""
    command = verbs.add_parser(name, parents=[common], help=text)
    command.add_argument("project", metavar="NAME", help="name of the project")
    command.set_defaults(run=run, render=render)
    return command


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add the options that create or change a project."""
    command.add_argument("--guideline", metavar="FILE", help="a Markdown file; - reads standard input")
    command.add_argument(
        "--form",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings of the form: scale=plain tie=off aspects=helpful,honest edit=on ...",
    )
    command.add_argument(
        "--overlap", type=float, metavar="X", help="mean number of labelers per pair; 1.1: two for one pair in ten"
    )
    command.add_argument("--gold-rate", type=float, metavar="SHARE", help="share of items that are gold items")
    command.add_argument(
        "--repeat-rate",
        type=float,
        metavar="SHARE",
        help="share of items that repeat one of the labeler's own pairs, sides swapped",
    )
    who, state = command.add_mutually_exclusive_group(), command.add_mutually_exclusive_group()
    who.add_argument("--everyone", action="store_true", help="every labeler is in the project")
    who.add_argument("--given", action="store_true", help="only its own people are in the project")
    state.add_argument("--close", action="store_true", help="stop handing out its items")
    state.add_argument("--open", action="store_true", help="hand out its items again")


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return the given settings, without form and guideline."""
    given = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    return given | {field: value for switch, (field, value) in SWITCHES.items() if getattr(args, switch)}


def cmd_list(args: argparse.Namespace) -> dict:
    """Return {projects: [...]} with counts."""
    store = open_store(args)
    return {"projects": [as_document(store, project) for project in store.projects.all()]}


def cmd_show(args: argparse.Namespace) -> dict:
    """Return one project. Raises BadInput for an unknown name."""
    store = open_store(args)
    return with_people(store, store.projects.by_name(args.project))


def cmd_add(args: argparse.Namespace) -> dict:
    """Create a project. Raises BadInput for an invalid setting."""
    store = open_store(args)
    guideline = read_guideline(args.guideline) if args.guideline else STANDARD_GUIDELINE
    with store.transaction():
        project = store.projects.add(args.project, guideline, form=parse_form(args.form), **changes(args))
        store.audit.add(ACTOR, "project added", project=project.name)
    return with_people(store, project)


def cmd_change(args: argparse.Namespace) -> dict:
    """Change a project, all or nothing. Raises BadInput."""
    store = open_store(args)
    guideline = read_guideline(args.guideline) if args.guideline else None
    with store.transaction():
        project = store.projects.by_name(args.project)
        given = changes(args) | ({"name": args.rename} if args.rename else {})
        if args.form:
            given["form"] = parse_form(args.form, project.form)
        if guideline is not None:
            given["guideline"] = guideline
        store.projects.change(project.id, **given)
        store.audit.add(ACTOR, "project changed", project=project.name, changed=sorted(given))
    return with_people(store, store.projects.get(project.id))


def cmd_give(args: argparse.Namespace) -> dict:
    """Add people to a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    store.projects.add_members(project.id, find_accounts(store, args.people))
    return with_people(store, project)


def cmd_take(args: argparse.Namespace) -> dict:
    """Remove people from a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    store.projects.remove_members(project.id, find_accounts(store, args.people))
    return with_people(store, project)


def cmd_fill(args: argparse.Namespace) -> dict:
    """Move pairs and rankings without an answer into a project; {moved}."""
    store = open_store(args)
    target, origin = store.projects.by_name(args.project), store.projects.by_name(args.origin)
    run = None if args.of_run is None else store.runs.get(parse_id(args.of_run, RUN)).id
    return {
        "moved": store.projects.move_unjudged(
            target.id, from_id=origin.id, run_id=run, source=args.source, limit=args.limit
        )
    }


def cmd_gold(args: argparse.Namespace) -> dict:
    """Return {gold}, the number of pairs that a person's answers made gold, or {unset}.

    The number that are gold no longer.
    """
    store = open_store(args)
    project = store.projects.by_name(args.project)
    if args.unset:
        return {"unset": unset_gold(store, project, args.unset)}
    (person,) = find_accounts(store, [args.person])
    return {"gold": store.gold.set_from_comparisons(project.id, person)}


def unset_gold(store: Store, project: Project, pair_ids: list[int]) -> int:
    """Make gold items of the project ordinary pairs, all or none.

    Raises BadInput for a pair that is no gold item of it.
    """
    items = {item.pair_id for item in store.gold.all(project.id)}
    with store.transaction():
        for pair_id in pair_ids:
            if pair_id not in items:
                known = ", ".join(map(str, sorted(items)[:10])) or "none"
                raise BadInput(
                    f"pair {pair_id} is not a gold item of {project.name}", f"Its gold items: {known}.", field="unset"
                )
            store.gold.unset(pair_id)
    return len(pair_ids)


def find_accounts(store: Store, names: list[str]) -> list[Account]:
    """Return the accounts of these names. Raises BadInput for an unknown name."""
    accounts = []
    for name in names:
        account = store.accounts.by_name(name)
        if account is None:
            raise BadInput(f"there is no account {name!r}", "See: preference-loop account list", field="person")
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


def as_document(store: Store, project: Project) -> dict:
    """Return a project with its counts."""
    return asdict(project) | {"counts": store.projects.counts(project.id)}


def with_people(store: Store, project: Project) -> dict:
    """Return a project with its counts, people and guideline."""
    more = {"people": store.projects.members(project.id), "guideline": store.projects.guideline(project.id).text}
    return as_document(store, project) | more


def render_list(document: dict) -> str:
    """Format one line per project."""
    return "\n".join(render_line(project) for project in document["projects"])


def render_line(project: dict) -> str:
    """Format name, progress and people."""
    counts = project["counts"]
    items, judged = counts["pairs"] + counts["rankings"], counts["judged"] + counts["ranked"]
    marks = [word for word, is_so in (("everyone", project["everyone"]), ("closed", project["closed"])) if is_so]
    return " ".join((f"{project['name']:<24} {judged}/{items} items judged, {counts['answers']} answers", *marks))


def render_show(document: dict) -> str:
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

"""`preference-loop projects`: labeling projects, their people, pairs, guidelines and gold items."""

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
from data.store import Store
from data.tables.forms import parse_form
from data.tables.projects import GUIDELINE_LENGTH, Project

ACTOR = "command line"
SETTINGS = ("overlap", "gold_rate", "repeat_rate")
SWITCHES = {
    "everyone": ("everyone", True),
    "given": ("everyone", False),
    "close": ("closed", True),
    "open": ("closed", False),
}


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `projects list|show|add|change|give|take|fill|gold`."""
    verbs = subparsers.add_parser(
        "projects", help="labeling projects: what is asked about which pairs, and of whom"
    ).add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", parents=[common], help="all projects with their counts").set_defaults(
        run=cmd_list, render=render_list
    )
    verb(verbs, common, "show", "one project: form, rates, people, guideline", cmd_show, render_show)
    add = verb(verbs, common, "add", "a new project", cmd_add, render_show)
    change = verb(
        verbs, common, "change", "change what is given; the guideline gets a new version", cmd_change, render_show
    )
    change.add_argument("--rename", metavar="NAME")
    for command in (add, change):
        add_settings(command)
    for name, run, help in (
        ("give", cmd_give, "let people into a project"),
        ("take", cmd_take, "take people out of a project"),
    ):
        verb(verbs, common, name, help, run, render_show).add_argument("people", nargs="+", metavar="PERSON")
    fill = verb(
        verbs,
        common,
        "fill",
        "move waiting pairs and rankings into a project",
        cmd_fill,
        lambda shown: f"{shown['moved']} moved.",
    )
    fill.add_argument(
        "--from", dest="origin", default="Standard", metavar="NAME", help="the project they leave (default %(default)s)"
    )
    fill.add_argument("--run", dest="of_run", metavar="RUN", help="only those that this run made, such as run3")
    fill.add_argument("--source", help="only those of prompts of this source, such as the name of an imported file")
    fill.add_argument("--limit", type=int, metavar="N", help="at most so many pairs")
    gold = verb(
        verbs,
        common,
        "gold",
        "make gold items of what a person said",
        cmd_gold,
        lambda shown: f"{shown['gold']} gold items.",
    )
    gold.add_argument("--as-judged-by", dest="person", required=True, metavar="PERSON")


def verb(
    verbs: Any, common: argparse.ArgumentParser, name: str, help: str, run: Any, render: Any
) -> argparse.ArgumentParser:
    """A command on one project, named by its name."""
    command = verbs.add_parser(name, parents=[common], help=help)
    command.add_argument("project", metavar="NAME")
    command.set_defaults(run=run, render=render)
    return command


def add_settings(command: argparse.ArgumentParser) -> None:
    """What a project is made of."""
    command.add_argument("--guideline", metavar="FILE", help="Markdown; - reads standard input")
    command.add_argument(
        "--form",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="scale=plain tie=off aspects=helpful,honest edit=on ...",
    )
    command.add_argument(
        "--overlap", type=float, metavar="X", help="labelers for a pair on average; 1.1: two for one in ten"
    )
    command.add_argument("--gold-rate", type=float, metavar="SHARE", help="share of items that are gold")
    command.add_argument(
        "--repeat-rate", type=float, metavar="SHARE", help="share of items that are one's own again, sides swapped"
    )
    who, state = command.add_mutually_exclusive_group(), command.add_mutually_exclusive_group()
    who.add_argument("--everyone", action="store_true", help="every labeler is in it")
    who.add_argument("--given", action="store_true", help="only the people given to it")
    state.add_argument("--close", action="store_true", help="hand out none of its items")
    state.add_argument("--open", action="store_true", help="hand them out again")


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, but for form and guideline."""
    given = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    return given | {field: value for switch, (field, value) in SWITCHES.items() if getattr(args, switch)}


def cmd_list(args: argparse.Namespace) -> dict:
    """{projects: [...]} with counts."""
    store = open_store(args)
    return {"projects": [told(store, project) for project in store.projects.all()]}


def cmd_show(args: argparse.Namespace) -> dict:
    """One project. Raises BadInput for an unknown name."""
    store = open_store(args)
    return shown(store, store.projects.by_name(args.project))


def cmd_add(args: argparse.Namespace) -> dict:
    """A new project. Raises BadInput for what makes no sense."""
    store = open_store(args)
    guideline = {"guideline": read_guideline(args.guideline)} if args.guideline else {}
    with store.transaction():
        project = store.projects.add(args.project, **guideline, form=parse_form(args.form), **changes(args))
        store.audit.add(ACTOR, "project added", project=project.name)
    return shown(store, project)


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
    return shown(store, store.projects.get(project.id))


def cmd_give(args: argparse.Namespace) -> dict:
    """Let people into a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    store.projects.add_members(project.id, people(store, args.people))
    return shown(store, project)


def cmd_take(args: argparse.Namespace) -> dict:
    """Take people out of a project. Raises BadInput for unknown names."""
    store = open_store(args)
    project = store.projects.by_name(args.project)
    store.projects.remove_members(project.id, people(store, args.people))
    return shown(store, project)


def cmd_fill(args: argparse.Namespace) -> dict:
    """{moved}: pairs and rankings that nobody has judged go from one project to another."""
    store = open_store(args)
    into, origin = store.projects.by_name(args.project), store.projects.by_name(args.origin)
    run = None if args.of_run is None else store.runs.get(parse_id(args.of_run, RUN)).id
    return {
        "moved": store.projects.move_unjudged(
            into.id, from_id=origin.id, run_id=run, source=args.source, limit=args.limit
        )
    }


def cmd_gold(args: argparse.Namespace) -> dict:
    """{gold}: how many pairs of the project became gold as a person judged them."""
    store = open_store(args)
    (person,) = people(store, [args.person])
    return {"gold": store.gold.set_from_comparisons(store.projects.by_name(args.project).id, person)}


def people(store: Store, names: list[str]) -> list[Account]:
    """The accounts of these names. Raises BadInput for one that is not there."""
    found = [store.accounts.by_name(name) for name in names]
    if None in found:
        raise BadInput(
            f"there is no account {names[found.index(None)]!r}", "See: preference-loop account list", field="person"
        )
    return found


def read_guideline(name: str) -> str:
    """A file's text, or standard input's for '-'. Raises BadInput."""
    if name == "-":
        return sys.stdin.read()
    try:
        with Path(name).open(encoding="utf-8") as file:
            return file.read(GUIDELINE_LENGTH + 1)
    except OSError as error:
        raise BadInput(error.strerror or str(error), "Name a text file.", file=name) from error
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8", "Save it as UTF-8.", file=name) from error


def told(store: Store, project: Project) -> dict:
    """A project with its counts, as the commands show it."""
    return asdict(project) | {"counts": store.projects.counts(project.id)}


def shown(store: Store, project: Project) -> dict:
    """The same with people and guideline."""
    more = {"people": store.projects.members(project.id), "guideline": store.projects.guideline(project.id).text}
    return told(store, project) | more


def render_list(document: dict) -> str:
    """One line for a project."""
    return "\n".join(render_line(project) for project in document["projects"])


def render_line(project: dict) -> str:
    """Name, how far it is, who is in it."""
    counts = project["counts"]
    items, judged = counts["pairs"] + counts["rankings"], counts["judged"] + counts["ranked"]
    marks = [word for word, is_so in (("everyone", project["everyone"]), ("closed", project["closed"])) if is_so]
    return " ".join((f"{project['name']:<24} {judged}/{items} items judged, {counts['answers']} answers", *marks))


def render_show(document: dict) -> str:
    """Everything about a project but its internal numbers."""
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

# SPDX-License-Identifier: Apache-2.0
"""`preference-loop projects`: the options of its commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from labeling.projects import verbs
from labeling.projects.documents import Document, render_gold, render_list, render_moved, render_show

Command = Callable[[argparse.Namespace], Document]
Render = Callable[[Document], str]


def register_projects(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add `projects list|show|add|change|give|take|fill|gold`."""
    commands = subparsers.add_parser(
        "projects", help="Manage labeling projects: forms, guidelines, people, items."
    ).add_subparsers(required=True, metavar="VERB")
    listing = commands.add_parser("list", parents=[common], help="List all projects with their counts.")
    listing.set_defaults(run=verbs.cmd_list, render=render_list)

    def add(name: str, text: str, run: Command, render: Render = render_show) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[common], help=text)
        command.add_argument("project", metavar="NAME", help="name of the project")
        command.set_defaults(run=run, render=render)
        return command

    add("show", "Show one project: form, rates, people, guideline.", verbs.cmd_show)
    add_settings(add("add", "Create a project.", verbs.cmd_add))
    change = add("change", "Change the given settings; the guideline gets a new version.", verbs.cmd_change)
    change.add_argument("--rename", metavar="NAME", help="give the project another name")
    add_settings(change)
    for command in (
        add("give", "Add people to a project.", verbs.cmd_give),
        add("take", "Remove people from a project.", verbs.cmd_take),
    ):
        command.add_argument("people", nargs="+", metavar="PERSON", help="names of accounts")
    add_origin(add("fill", "Move open pairs and rankings into a project.", verbs.cmd_fill, render_moved))
    add_gold(
        add(
            "gold",
            "Make gold items of a person's answers, or ordinary pairs of gold items.",
            verbs.cmd_gold,
            render_gold,
        )
    )


def add_origin(command: argparse.ArgumentParser) -> None:
    """Add the options that choose the items to move."""
    command.add_argument(
        "--from",
        dest="origin",
        default="Standard",
        metavar="NAME",
        help="the project to move them from (default %(default)s)",
    )
    command.add_argument("--run", dest="of_run", metavar="RUN", help="only items of this run, such as run3")
    command.add_argument(
        "--source", help="only items of prompts from this source, such as the name of an imported file"
    )
    command.add_argument("--limit", type=int, metavar="N", help="the largest number of pairs to move")


def add_gold(command: argparse.ArgumentParser) -> None:
    """Add the options that set or unset gold items; exactly one is required."""
    options = command.add_mutually_exclusive_group(required=True)
    options.add_argument("--as-judged-by", dest="person", metavar="PERSON", help="the person whose answers are right")
    options.add_argument("--unset", nargs="+", type=int, metavar="PAIR", help="pair numbers, as exports show them")


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
    who.add_argument("--everyone", action="store_true", help="every labeler without a project is in it")
    who.add_argument("--given", action="store_true", help="only its members are in the project")
    state.add_argument("--close", action="store_true", help="stop handing out its items")
    state.add_argument("--open", action="store_true", help="hand out its items again")

# SPDX-License-Identifier: Apache-2.0
"""Settings in the help of the commands that queue runs, and the rows of the reference page. Imports no torch.

The help of a command loads the settings of one kind of run, and only when a person asks for it.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from data.command_help.parser import CommandParser
from data.settings import describe, describe_range, show_value
from labeling.texts.pages import setting_help, text
from rlhf.kinds import KINDS, TRAININGS, Kind, check_training

COLUMN = 24
ENDPOINT = "endpoint"


class Setting(NamedTuple):
    """A setting of a kind of run, in words."""

    key: str
    meaning: str
    unit: str
    default: str
    range: str
    main: bool


def find_described(name: str) -> Kind:
    """Return a kind of run, the one behind `sample --endpoint` included."""
    if name != ENDPOINT:
        return KINDS[name]
    from rlhf.runs.endpoint_run import KIND  # with the code that samples: loaded for its own help only

    return KIND


def list_settings(kind: Kind) -> list[Setting]:
    """Return the settings of a kind of run, the main ones first."""
    settings = kind.settings_class()
    rows = [
        Setting(
            each.key,
            setting_help(kind.name, each.key),
            text(f"unit.{each.unit}") if each.unit else "",
            "required" if each.default is None else show_value(each.default),
            describe_range(settings, each.key),
            each.main,
        )
        for each in describe(settings)
    ]
    return sorted(rows, key=lambda row: not row.main)


def settings_text(kind: Kind) -> str:
    """Return the settings of a kind of run for a terminal, main settings first."""
    rows = list_settings(kind)
    groups = (("main settings", True), ("other settings", False))
    parts = [
        "\n".join([f"{title} of {kind.name}, each as --set KEY=VALUE:", *_blocks(rows, main)])
        for title, main in groups
        if any(row.main is main for row in rows)
    ]
    return "\n\n".join(parts) + "\n"


def _blocks(rows: list[Setting], main: bool) -> Iterator[str]:
    for row in rows:
        if row.main is main:
            facts = [row.unit, f"default {row.default}", row.range]
            yield _entry(row.key, f"{row.meaning} ({'; '.join(fact for fact in facts if fact)})")


def kinds_text() -> str:
    """Return the kinds of training with one line each, and the command that lists their settings."""
    lines = ["kinds of training; `preference-loop train KIND --help` lists the settings:"]
    return "\n".join([*lines, *(_entry(name, KINDS[name].explains) for name in TRAININGS)]) + "\n"


def _entry(name: str, words: str) -> str:
    """Return a name and its text in two columns, as argparse prints options."""
    width = max(COLUMN + 20, shutil.get_terminal_size().columns - 2)
    first = f"  {name:<{COLUMN - 4}}  "
    lines = textwrap.wrap(words, width, initial_indent=" " * COLUMN, subsequent_indent=" " * COLUMN)
    if len(first) > COLUMN:
        return "\n".join([first.rstrip(), *lines])
    return "\n".join([first + lines[0][COLUMN:], *lines[1:]])


class SettingsHelp(argparse.Action):
    """The option --help of a command that queues runs: prints argparse's help and the settings of the kind of run.

    `kind` is the kind; without one it is the argument KIND in front of --help. `sample --endpoint URL --help` lists
    the settings of the endpoint.
    """

    def __init__(self, option_strings: list[str], dest: str, kind: str = "", help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)
        self.kind = kind

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> NoReturn:
        """Print the help and exit. Raises BadInput for an unknown kind of training."""
        given = getattr(namespace, "kind", None) or ""
        if given:
            check_training(given)
        name = ENDPOINT if getattr(namespace, ENDPOINT, "") else self.kind or given
        added = settings_text(find_described(name)) if name else kinds_text()
        full = parser.format_help(added, given) if isinstance(parser, CommandParser) else parser.format_help()
        print(full, end="")
        parser.exit()

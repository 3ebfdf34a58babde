# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/cli.md from the parsers of every command: `python -m docs.cli`.

The tables are made from the arguments and not from argparse's help, whose layout differs between Python versions.
"""

from __future__ import annotations

import argparse

import app
from data.command_help.parser import PROGRAM, CommandParser
from docs.settings import cell
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
COMMON = ("help", "home", "json")
INTRODUCTION = f"""# Command line

`make reference` writes this page from the parsers. Without a command, `{PROGRAM}` serves the app. Every command takes:

| option | meaning |
| --- | --- |
| `--home DIR` | the home folder; default `$PREFERENCE_LOOP_HOME`, else `~/.local/share/preference-loop` |
| `--json` | one JSON document on stdout, everything else on stderr |
| `--help` | the help of the command, with its settings and examples |

`{PROGRAM} --version` prints the version. Exit status: 0 done, 1 failed or lost, 2 bad input, 3 cancelled.
Settings of runs (`--set`) have [their own page](settings.md).
"""


def parsers(parser: argparse.ArgumentParser, text: str = "") -> list[tuple[CommandParser, str]]:
    """Return the parsers of all commands and verbs below one, each with its line of help."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not verbs:
        assert isinstance(parser, CommandParser)
        return [(parser, text)]
    return [
        entry
        for action in verbs
        for choice in action._choices_actions
        for entry in parsers(action.choices[choice.dest], choice.help or "")
    ]


def every_parser() -> list[tuple[CommandParser, str]]:
    """Return the parser of every command and verb with its line of help, in the order of `--help`."""
    entries = []
    for name in app.COMMANDS:
        wanted = f"{PROGRAM} {name}"
        entries += [entry for entry in parsers(app.parser(name)) if f"{entry[0].prog} ".startswith(f"{wanted} ")]
    return entries


def name_of(action: argparse.Action) -> str:
    """Return an argument as a person types it."""
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value)
    if isinstance(action, argparse.BooleanOptionalAction):
        return ", ".join(action.option_strings)
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {value}"


def row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the line of an argument."""
    meaning = parser._get_formatter()._expand_help(action)
    required = " (required)" if action.required and action.option_strings and "required" not in meaning else ""
    return f"| `{cell(name_of(action))}` | {cell(meaning)}{required} |"


def section(parser: CommandParser, text: str) -> str:
    """Return the heading, the examples and the table of a command or a verb."""
    actions = [action for action in parser._actions if action.dest not in COMMON]
    table = ["| argument | meaning |", "| --- | --- |", *(row(parser, action) for action in actions), ""]
    examples = [f"    {line}" for line in parser.examples()]
    lines = [f"## {parser.prog.removeprefix(PROGRAM).strip()}", "", text, "", *examples, ""]
    return "\n".join(lines + (table if actions else []))


def page() -> str:
    """Return the page."""
    return "\n".join([INTRODUCTION, *(section(*entry) for entry in every_parser())])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

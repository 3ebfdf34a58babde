# SPDX-License-Identifier: Apache-2.0
"""The `completion` command: a script by which bash completes commands, options, choices and keys of settings.

The script holds all words, so that completing starts no Python.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import Any

from data.settings import describe
from rlhf.kinds import TRAININGS
from rlhf.settings_help import SettingsHelp, find_described

DEFAULT = "serve"
"""The command whose options the program takes without a command."""
SCRIPT = """\
_preference_loop_words() {
  case "$1" in
%s
  esac
}
_preference_loop() {
  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" path="" word index words
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${COMP_WORDS[index]}"
    case " $(_preference_loop_words "$path") " in *" $word "*) path="$path $word" ;; esac
  done
  case "$before" in
    -*) words="$(_preference_loop_words "$path $before")" ;;
    *) words="$(_preference_loop_words "$path")" ;;
  esac
  case "$current" in -*) words="$(_preference_loop_words "$path -")" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "${COMPREPLY[0]}" in *=) compopt -o nospace 2>/dev/null ;; esac  # zsh has no compopt
}
complete -o default -F _preference_loop preference-loop
"""


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:  # noqa: ANN401 (argparse's type is private)
    """Add the `completion` command."""
    text = "Print a script that completes commands and options in a shell."
    completion = subparsers.add_parser("completion", parents=[common], help=text, description=text)
    completion.add_argument("shell", choices=["bash"], help="the shell that reads the script")
    completion.set_defaults(run=print_script, render=lambda document: document["script"].rstrip("\n"))


def print_script(args: argparse.Namespace) -> dict:
    """Return the script. `args.every_command()` gives the parser with every command."""
    return {"shell": args.shell, "script": bash_script(args.every_command())}


def bash_script(parser: argparse.ArgumentParser) -> str:
    """Return the script for bash: a table of words by the commands before the cursor, and the function that reads it.

    A key of the table is the commands and verbs, each after a space. With ` -` after them it stands for their options,
    with an option for the option's values.
    """
    table = dict(_entries(parser, ""))
    table[" -"] = [*table[" -"], *table[f" {DEFAULT} -"]]
    known = {path: " ".join(dict.fromkeys(words)) for path, words in table.items() if words}
    lines = (f"  {shlex.quote(path)}) echo {shlex.quote(words)} ;;" for path, words in known.items())
    return SCRIPT % "\n".join(lines)


def _entries(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the entries of a command and of all below it."""
    yield f"{path} -", [option for action in parser._actions for option in action.option_strings]
    for action in parser._actions:
        words = list(map(str, action.choices or ()))
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _entries(below, f"{path} {name}")
        if action.option_strings:
            yield from ((f"{path} {option}", words) for option in action.option_strings)
        elif words:
            yield path, words
    for action in parser._actions:
        if isinstance(action, SettingsHelp) and action.kind:
            yield f"{path} --set", setting_keys(action.kind)
    if path == " train":
        yield path, list(TRAININGS)
        for kind in TRAININGS:
            yield f"{path} {kind} -", [option for action in parser._actions for option in action.option_strings]
            yield f"{path} {kind} --set", setting_keys(kind)


def setting_keys(kind: str) -> list[str]:
    """Return the keys of a kind's settings, each with the sign that its value follows."""
    return [f"{setting.key}=" for setting in describe(find_described(kind).settings_class())]

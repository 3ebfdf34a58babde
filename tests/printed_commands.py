# SPDX-License-Identifier: Apache-2.0
"""Command lines as documents, help and messages print them: the parser and the settings judge them; nothing runs."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import app
from data.command_help.parser import PROGRAM
from data.settings import parse_settings
from rlhf.settings_help import find_described

COMMAND = re.compile(rf"(?<![\w-]){PROGRAM} (?=(?:{'|'.join(app.COMMANDS)}|--[a-z]+)(?![\w/-]))[^`]*")
"""A command line inside other text: names of files, folders and users are none."""
VERB_KINDS = {"recipe": "curate"}
"""Verbs of `curate` whose kind of run has another name."""
ENDS = (">", "|", "&&", ";")


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of a document's code blocks, fenced or indented, with continued lines joined."""
    fenced, held, start = False, "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            start = start if held else number
            held += line.strip().removeprefix("$ ").removesuffix("\\")
            if not line.endswith("\\"):
                yield start, held
                held = ""


def code_spans(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of a document's inline code that holds a command."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        yield from ((number, span) for span in re.findall(r"`([^`]+)`", line))


def find_commands(text: str) -> list[str]:
    """Return the command lines in a text, without the shell's surroundings."""
    return [match[0].split("  #")[0].strip().removesuffix(")") for match in COMMAND.finditer(text)]


def parse_line(line: str) -> argparse.Namespace | None:
    """Parse `preference-loop ...`; None for --help and --version. Raises BadInput for a wrong argument or setting."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((at for at, word in enumerate(words) if word in ENDS), len(words))]
    if {"--help", "--version"} & set(words):
        return None
    if not words or words[0] not in app.COMMANDS:
        words = ["serve", *words]
    args = app.parser(words[0]).parse_args(words)
    kind = kind_of(words, args)
    if kind and kind != "KIND":  # a placeholder
        parse_settings(find_described(kind).settings_class(), args.set)
    return args


def kind_of(words: list[str], args: argparse.Namespace) -> str:
    """Return the kind of run that a command queues, or ""."""
    if not hasattr(args, "set"):
        return ""
    if words[0] == "train":
        return args.kind
    if words[0] == "curate":
        return VERB_KINDS.get(words[1], words[1])
    return "endpoint" if getattr(args, "endpoint", "") else words[0]

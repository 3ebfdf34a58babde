# SPDX-License-Identifier: Apache-2.0
"""The parser of every command: an error is one line, and the help ends with examples that run as printed."""

from __future__ import annotations

import argparse
from typing import NoReturn

from data.command_help.examples import EXAMPLES
from data.errors import BadInput

PROGRAM = "preference-loop"


class CommandParser(argparse.ArgumentParser):
    """Parses one command or verb; the parsers of its verbs are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Raise BadInput instead of printing the usage."""
        raise BadInput(message, f"See: {self.prog} --help")

    def examples(self, kind: str = "") -> list[str]:
        """Return the command lines that the help ends with; `kind` is a kind of training."""
        command = f"{self.prog} {kind}".removeprefix(PROGRAM).strip()
        return [f"{PROGRAM} {line}".rstrip() for line in EXAMPLES.get(command, ())]

    def format_help(self, more: str = "", kind: str = "") -> str:
        """Return argparse's help, `more` and the examples of the command, or of its `kind` of training."""
        examples = self.examples(kind)
        last = "\n".join(["examples:", *(f"  {line}" for line in examples)]) + "\n" if examples else ""
        return "\n".join(part for part in (super().format_help(), more, last) if part)

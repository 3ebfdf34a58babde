# SPDX-License-Identifier: Apache-2.0
"""Helpers that the commands of all layers share."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from data.errors import show_controls
from data.sqlite.damage import no_store, refuse_lost_store
from data.store import FILE, Store


def open_store(args: argparse.Namespace) -> Store:
    """Open the store of `--home`. Raises BadInput if the folder cannot be used."""
    return Store(args.home)


def read_store(args: argparse.Namespace) -> Store:
    """Open the store of `--home` to read it. Raises BadInput, and creates nothing, if there is none."""
    home = args.home.expanduser()
    refuse_lost_store(home / FILE)
    if not (home / FILE).is_file():
        raise no_store(home)
    return Store(home)


def print_note(line: str) -> None:
    """Print a line to stderr, beside the document of a command; nothing for an empty one."""
    if line:
        print_text(line, sys.stderr)


def print_text(text: str, stream: TextIO | None = None) -> None:
    """Print to stdout, or to `stream`, control characters as escapes.

    A reader that closes the pipe early, such as `| head -1`, is no error.
    """
    try:
        print(show_controls(text), file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno()
        )  # the interpreter flushes once more at exit

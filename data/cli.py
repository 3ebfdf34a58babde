"""What the commands of every floor share."""

from __future__ import annotations

import argparse
import os
import sys

from data.store import Store


def open_store(args: argparse.Namespace) -> Store:
    """The store of `--home`. Raises BadInput where the folder cannot be used."""
    return Store(args.home)


def print_text(text: str) -> None:
    """Print; a reader who left early, as `| head -1` does, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end

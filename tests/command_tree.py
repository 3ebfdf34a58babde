# SPDX-License-Identifier: Apache-2.0
"""The commands of the app as argparse knows them."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import app


def command_tree() -> argparse._SubParsersAction:
    """Return the commands that all modules register."""
    commands = argparse.ArgumentParser().add_subparsers()
    for module in {module for module, _ in app.COMMANDS.values()}:
        importlib.import_module(module).register(commands, app.common_options())
    return commands


def verbs(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction]:
    """Yield the verbs of a command."""
    return (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))

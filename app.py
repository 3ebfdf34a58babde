# SPDX-License-Identifier: Apache-2.0
"""Preference Loop: people compare answers, the comparisons train a reward model, it drives PPO, the new policy answers.

This file parses arguments, loads the one layer that owns the command, and turns errors into exit codes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path

from data.command_help.parser import PROGRAM, CommandParser
from data.errors import BadInput, show_controls
from data.version import __version__

HOME = Path(os.environ.get("PREFERENCE_LOOP_HOME") or "~/.local/share/preference-loop").expanduser()
STATUS = {"failed": 1, "lost": 1, "damaged": 1, "cancelled": 3}
# Which module registers a command, and the line of help: `--help` and typing errors load nothing else.
COMMANDS = {
    "serve": ("rlhf.pages.serve", "Start the app and print its address (the default)."),
    "import": ("data.commands", "Import prompts, instructions, preferences, pairs, completions or a policy."),
    "export": ("data.commands", "Export prompts, preferences, instructions, events, a policy or a reward model."),
    "check": ("rlhf.commands", "Check in seconds whether a model can be a base."),
    "backup": ("data.commands", "Write everything in this home to one file, while it is in use."),
    "restore": ("data.commands", "Unpack a backup into an empty home."),
    "store": ("data.store_commands", "Maintain the store of this home."),
    "audit": (
        "data.audit_commands",
        "Print or export the audit list: who changed accounts, projects, labels' use or files, and when.",
    ),
    "account": ("labeling.commands", "Manage accounts, invitations, tokens and personal data."),
    "projects": ("labeling.commands", "Manage labeling projects: forms, guidelines, people, items."),
    "labels": ("labeling.commands", "Measure and manage the quality of labels."),
    "simulate": ("labeling.commands", "Record answers of simulated labelers, marked as simulated."),
    "sample": ("rlhf.run_commands", "Sample completions of a policy, and make pairs of them for the labelers."),
    "train": ("rlhf.run_commands", "Train a model on what this home holds."),
    "compare": (
        "rlhf.run_commands",
        "Compare policies on test prompts: win rate with its interval, KL and reward.",
    ),
    "reward": ("reward.commands", "List and show reward models, and change their roles."),
    "policies": ("rlhf.commands", "Manage policies: merge an adapter into its base."),
    "curate": ("rlhf.run_commands", "Examine, rate and choose instruction rows, and test what they teach."),
    "runs": ("rlhf.commands", "List, show, cancel, resume or note runs; delete the files of old ones."),
    "supervise": ("rlhf.commands", "Start queued runs until none is left (serve does this automatically)."),
    "worker": ("rlhf.commands", "Work on runs of a server from another machine."),
    "completion": ("rlhf.shell_completion", "Print a script that completes commands and options in a shell."),
    "tour": ("rlhf.commands", "Run the full demo loop without a browser, with simulated labelers."),
}


def parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of the module that owns `command`, or one that knows every command by its help alone."""
    top, commands = empty_parser()
    if command in COMMANDS:
        import_module(COMMANDS[command][0]).register(commands, common_options())
    else:
        for name, (_, text) in COMMANDS.items():
            commands.add_parser(name, help=text)
    return top


def every_command() -> argparse.ArgumentParser:
    """Return the parser with every command, which loads all of their modules."""
    top, commands = empty_parser()
    for module in dict.fromkeys(module for module, _ in COMMANDS.values()):
        import_module(module).register(commands, common_options())
    return top


def empty_parser() -> tuple[CommandParser, argparse._SubParsersAction]:
    """Return the parser without commands, and what they are added to."""
    top = CommandParser(prog=PROGRAM, description=(__doc__ or "").splitlines()[0])
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    top.set_defaults(every_command=every_command)
    return top, top.add_subparsers(required=True, metavar="COMMAND")


def common_options() -> argparse.ArgumentParser:
    """Return the options that every command takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, default=HOME, help="the home folder (default %(default)s)")
    common.add_argument("--json", action="store_true", help="one JSON document on stdout, everything else on stderr")
    return common


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 failed or lost, 2 bad input, 3 cancelled."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv = ["serve", *argv]
    try:
        args = parser(argv[0]).parse_args(argv)
        document = args.run(args) or {}
    except (BadInput, OSError) as problem:
        return complain(problem, "--json" in argv)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:
        explained = explain_crash(problem, args.home)
        if explained is None:
            raise
        return complain(explained, "--json" in argv)
    show(document, args)
    return STATUS.get(str(document.get("status")), 0)


def show(document: dict, args: argparse.Namespace) -> None:
    """Print a command's document: as JSON, by the command's own renderer, or as indented JSON."""
    from data.cli import print_text

    if args.json:
        print_text(json.dumps(document, ensure_ascii=False))
    elif document:
        render = getattr(args, "render", None) or (lambda shown: json.dumps(shown, ensure_ascii=False, indent=2))
        print_text(render(document))


def explain_crash(problem: Exception, home: Path) -> Exception | None:
    """Return the error to report for a crash: SQLite's own, or the damage of the store; None if there is neither."""
    from sqlite_utils.utils import sqlite3

    from data.sqlite.damage import find_damage
    from data.store import FILE

    return problem if isinstance(problem, sqlite3.OperationalError) else find_damage(home.expanduser() / FILE)


def complain(problem: Exception, as_json: bool) -> int:
    """Print one line for people or one document for programs; return the exit status 2."""
    if not isinstance(problem, BadInput):
        remedy = "Choose a folder that you may write to with --home, or make room there."
        file = getattr(problem, "filename", None)
        problem = BadInput(getattr(problem, "strerror", None) or str(problem), remedy, file=str(file) if file else None)
    if as_json:
        print(json.dumps(problem.as_json()))
    else:
        print(show_controls(" ".join(str(problem).split())), file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())

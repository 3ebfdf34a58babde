"""The commands of this floor: accounts, simulated labelers, and those that `register` adds from files beside this one."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

import data.starter
from data import card
from data.cli import open_store
from data.errors import BadInput
from data.records import Account, Completion, Prompt
from labeling import accounts, project_commands
from labeling.agreement import agreement
from labeling.quality_commands import register_labels
from labeling.queue import OVERLAP
from labeling.simulate import AGREEMENT, simulate

TOKEN_SECONDS = 365 * 24 * 3600


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `account`, `projects`, `labels` and `simulate`, and tell exported data cards where agreement is worked out."""
    card.AGREEMENT["agreement"] = "labeling.agreement:agreement"
    register_account(subparsers, common)
    project_commands.register(subparsers, common)
    register_labels(subparsers, common)
    command = subparsers.add_parser("simulate", parents=[common], help="let simulated labelers answer, marked as such for ever")
    command.add_argument("--labels", type=int, required=True, metavar="N", help="how many answers")
    command.add_argument("--labelers", type=int, required=True, metavar="M", help="how many labelers give them in turn")
    command.add_argument(
        "--agreement", type=float, default=AGREEMENT, metavar="A", help="how often two of them agree (default %(default)s)"
    )
    command.add_argument(
        "--overlap",
        type=float,
        default=OVERLAP,
        metavar="X",
        help="mean labelers for a pair; 1.1: two for one in ten (default %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=cmd_simulate, render=render_simulate)


def register_account(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `account add|list|disable|token`."""
    verbs = subparsers.add_parser("account", help="who may sign in, and with which role").add_subparsers(
        required=True, metavar="VERB"
    )
    add = verbs.add_parser("add", parents=[common], help="a new account; asks for the password")
    add.add_argument("name")
    add.add_argument("--role", default="labeler", help="labeler or researcher (default %(default)s)")
    add.add_argument("--password-stdin", action="store_true", help="read the password from the first line of standard input")
    add.set_defaults(run=cmd_add, render=lambda shown: f"{shown['name']} may now sign in as {shown['role']}.")
    everybody = verbs.add_parser("list", parents=[common], help="all accounts")
    everybody.set_defaults(run=cmd_list, render=render_list)
    disable = verbs.add_parser("disable", parents=[common], help="close an account and end its sessions")
    disable.add_argument("name")
    disable.set_defaults(run=cmd_disable, render=lambda shown: f"{shown['name']} is closed.")
    token = verbs.add_parser("token", parents=[common], help="a Bearer token for the HTTP API, good for a year, shown once")
    token.add_argument("name")
    token.set_defaults(run=cmd_token, render=lambda shown: shown["token"])


def cmd_add(args: argparse.Namespace) -> dict:
    """Create the account; the password comes from a prompt or from standard input."""
    store = open_store(args)
    password = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else ask_password()
    return told(accounts.create(store, args.name, args.role, password))


def ask_password() -> str:
    """Asked twice on the terminal. Raises BadInput where there is none, or where the two differ."""
    if not sys.stdin.isatty():
        raise BadInput("there is no terminal to ask for the password", "Pipe it in with --password-stdin.", field="password")
    first, second = getpass.getpass("Password: "), getpass.getpass("Again: ")
    if first != second:
        raise BadInput("the two passwords differ", "Type the same one twice.", field="password")
    return first


def cmd_list(args: argparse.Namespace) -> dict:
    """Every account, without anything secret."""
    return {"accounts": [told(account) for account in open_store(args).accounts.list()]}


def cmd_disable(args: argparse.Namespace) -> dict:
    """Close an account. Raises BadInput for an unknown name."""
    return told(open_store(args).accounts.disable(args.name))


def cmd_token(args: argparse.Namespace) -> dict:
    """Issue an API token. Raises BadInput for an unknown or closed account."""
    store = open_store(args)
    account = store.accounts.by_name(args.name)
    if account is None or account.disabled:
        raise BadInput(f"there is no open account {args.name!r}", "See: app.py account list", field="name")
    return {"name": account.name, "token": store.tokens.issue("api", account.id, TOKEN_SECONDS)}


def told(account: Account) -> dict:
    """An account as the commands show it."""
    return {name: getattr(account, name) for name in ("name", "role", "simulated", "disabled")}


def render_list(document: dict) -> str:
    """One line for an account."""
    marks = ("simulated", "disabled")
    lines = [
        " ".join((f"{row['name']:<24} {row['role']:<10}", *(mark for mark in marks if row[mark]))).rstrip()
        for row in document["accounts"]
    ]
    return "\n".join(lines) or "no accounts yet: app.py account add NAME --role researcher"


def cmd_simulate(args: argparse.Namespace) -> dict:
    """Simulated labels by the starter's rubric; {labels, asked, agreement: measured or null}."""
    store = open_store(args)
    given = simulate(
        store,
        labels=args.labels,
        labelers=args.labelers,
        agreement=args.agreement,
        seed=args.seed,
        score=rubric,
        overlap=args.overlap,
    )
    return {"labels": given, "asked": args.labels, "agreement": agreement(store, "simulated").rate}


def rubric(prompt: Prompt, completion: Completion) -> float:
    """The gold score of the starter's rubric. Raises BadInput for a prompt it knows nothing about."""
    if prompt.facts is None:
        raise BadInput(f"the rubric knows nothing about the prompt {prompt.text!r}", "Simulate on the starter's prompts only.")
    return data.starter.gold(prompt.facts, completion.text, completion.ended)


def render_simulate(document: dict) -> str:
    """What was given, and how far two labelers agreed."""
    line = f"{document['labels']} simulated labels"
    if document["labels"] < document["asked"]:
        line += f" of {document['asked']}: no more pairs wait for them"
    if document["agreement"] is not None:
        line += f"; two labelers agree on {document['agreement']:.0%}"
    return line

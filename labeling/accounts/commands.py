# SPDX-License-Identifier: Apache-2.0
"""`account`: create accounts, invite people, issue tokens, and hand out or erase personal data."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.formats.writing import write_rows
from data.records import Account
from data.store import Store
from data.tables.personal_data import ALLOWED
from data.tables.tokens import TokenInfo
from labeling.accounts import accounts, management
from labeling.texts.pages import bad_input

Command = Callable[[argparse.Namespace], dict[str, Any]]
Render = Callable[[dict[str, Any]], str]
AddVerb = Callable[..., argparse.ArgumentParser]
ARGUMENTS = {
    "name": "name of the account",
    "token": "mark of the token, as `tokens` lists it",
    "project": "name or number of the project",
}
LINK = "Give this link to one person; it is valid for a week. Put the app's address in front:\n{link}"


def register_account(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add `account` with its subcommands."""
    verbs = subparsers.add_parser(
        "account", help="Manage accounts, invitations, tokens and personal data."
    ).add_subparsers(required=True, metavar="VERB")

    def add(name: str, text: str, run: Command, render: Render | str, *arguments: str) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, parents=[common], help=text)
        for argument in arguments:
            parser.add_argument(argument, help=ARGUMENTS[argument])
        parser.set_defaults(run=run, render=render.format_map if isinstance(render, str) else render)
        return parser

    _add_accounts(add)
    _add_tokens(add)
    _add_personal_data(add)


def _add_accounts(add: AddVerb) -> None:
    create = add(
        "add", "Create an account; asks for the password.", cmd_add, "{name} may now sign in as {role}.", "name"
    )
    _add_role(create)
    create.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input"
    )
    _add_role(add("invite", "Create a one-time link for a new account.", cmd_invite, LINK))
    add("password", "Create a one-time link for a new password.", cmd_password, LINK, "name")
    add("list", "List all accounts.", cmd_list, render_list)
    closing = "Close an account, end its sessions, release its leases."
    add("disable", closing, cmd_disable, "{name} is closed.", "name")
    add("enable", "Open a closed account again.", cmd_enable, "{name} may sign in again.", "name")


def _add_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", default="labeler", help="labeler or researcher (default %(default)s)")


def _add_tokens(add: AddVerb) -> None:
    issuing = "Issue a Bearer token for the HTTP API, valid for a year, shown once."
    add("token", issuing, cmd_token, "{token}", "name")
    add("tokens", "List the open tokens of an account.", cmd_tokens, render_tokens, "name")
    revoked = "The token {revoked} of {name} is revoked."
    add("revoke", "Revoke a token by its mark.", cmd_revoke, revoked, "name", "token")


def _add_personal_data(add: AddVerb) -> None:
    written = "{rows} rows are in {files[0]}."
    download = add("download", "Write all data of a person as JSON lines.", cmd_download, written, "name")
    download.add_argument("out", type=Path, metavar="OUT", help="the file to write; it must not exist")
    erasing = "Erase what a person wrote, and the name; this cannot be undone."
    add("erase", erasing, cmd_erase, "Erased. The events stay under the name {erased}.", "name")
    setting = "Set what labelers of a project may do with their own data."
    rule = add("own-data", setting, cmd_own_data, "{project}: {allowed}.", "project")
    rule.add_argument("allowed", help="one of " + ", ".join(ALLOWED))


def cmd_add(args: argparse.Namespace) -> dict:
    """Create the account. The password comes from a prompt or from standard input."""
    store = open_store(args)
    password = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else ask_password()
    return as_document(accounts.create(store, args.name, args.role, password))


def ask_password() -> str:
    """Ask twice on the terminal. Raises BadInput without a terminal, or if the two entries differ."""
    if not sys.stdin.isatty():
        raise BadInput(
            "there is no terminal to ask for the password", "Pipe it in with --password-stdin.", field="password"
        )
    first, second = getpass.getpass("Password: "), getpass.getpass("Again: ")
    if first != second:
        raise BadInput("the two passwords differ", "Type the same one twice.", field="password")
    return first


def cmd_list(args: argparse.Namespace) -> dict:
    """List every account, without secrets."""
    return {"accounts": [as_document(account) for account in open_store(args).accounts.all()]}


def cmd_invite(args: argparse.Namespace) -> dict:
    """Create a link for a new account. Raises BadInput for an unknown role."""
    return {"link": management.invite(open_store(args), args.role), "role": args.role}


def cmd_password(args: argparse.Namespace) -> dict:
    """Create a link for a new password. Raises BadInput for an unknown or closed account."""
    return {"link": management.issue_password_link(open_store(args), args.name), "name": args.name}


def cmd_disable(args: argparse.Namespace) -> dict:
    """Close an account. Raises BadInput for an unknown name."""
    store = open_store(args)
    with store.transaction():
        closed = store.accounts.disable(args.name)
        store.audit.add(management.audit_name(None), "close account", account=closed.id)
    return as_document(closed)


def cmd_enable(args: argparse.Namespace) -> dict:
    """Open an account again. Raises BadInput for an unknown name or an erased account."""
    return as_document(management.reopen_account(open_store(args), args.name))


def cmd_token(args: argparse.Namespace) -> dict:
    """Issue an API token. Raises BadInput for an unknown or closed account."""
    store = open_store(args)
    return {
        "name": management.find_open_account(store, args.name).name,
        "token": management.issue_token(store, args.name),
    }


def cmd_tokens(args: argparse.Namespace) -> dict:
    """List the open API tokens of an account. Raises BadInput for an unknown account."""
    store = open_store(args)
    return {
        "tokens": [
            {"token": token.mark, "created_at": token.created_at, "expires_at": token.expires_at}
            for token in tokens_of(store, args.name)
        ]
    }


def tokens_of(store: Store, name: str) -> list[TokenInfo]:
    """Return the open API tokens of an account. Raises BadInput for an unknown account."""
    return store.tokens.all(find_account(store, name).id, "api")


def cmd_revoke(args: argparse.Namespace) -> dict:
    """Revoke an API token. Raises BadInput for an unknown account or token."""
    management.revoke_token(open_store(args), args.name, args.token)
    return {"name": args.name, "revoked": args.token}


def cmd_download(args: argparse.Namespace) -> dict:
    """Write a person's data as JSON lines. Raises BadInput for an unknown account or an existing file."""
    store = open_store(args)
    account = find_account(store, args.name)
    rows = write_rows(args.out, store.personal_data.rows(account.id), force=False)
    store.audit.add(management.audit_name(None), "export personal data", account=account.id)
    return {"rows": rows, "files": [str(args.out)]}


def cmd_erase(args: argparse.Namespace) -> dict:
    """Erase a person's data. Raises BadInput for an unknown account or the last researcher."""
    store = open_store(args)
    account = find_account(store, args.name)
    management.erase_personal_data(store, account)
    return {"erased": store.accounts.get(account.id).name}


def cmd_own_data(args: argparse.Namespace) -> dict:
    """Set what a project's labelers may do with their data. Raises BadInput for an unknown project or rule."""
    store = open_store(args)
    projects = store.projects.all()
    project = next((project for project in projects if args.project in (project.name, str(project.id))), None)
    if project is None:
        names = ", ".join(project.name for project in projects)
        raise BadInput(f"there is no project {args.project!r}", f"Use one of {names}.", field="project")
    with store.transaction():
        store.personal_data.allow(project.id, args.allowed)
        about = {"project": project.name, "allowed": args.allowed}
        store.audit.add(management.audit_name(None), "set own-data rule", **about)
    return {"project": project.name, "allowed": args.allowed}


def find_account(store: Store, name: str) -> Account:
    """Return the account of that name, open or closed. Raises BadInput for an unknown name."""
    account = store.accounts.by_name(name)
    if account is None:
        raise bad_input("refused.account_unknown", field="name", account=name)
    return account


def as_document(account: Account) -> dict:
    """Return the public fields of an account."""
    return {name: getattr(account, name) for name in ("name", "role", "simulated", "disabled")}


def render_list(document: dict) -> str:
    """Format one line per account."""
    marks = ("simulated", "disabled")
    lines = [
        " ".join((f"{row['name']:<24} {row['role']:<10}", *(mark for mark in marks if row[mark]))).rstrip()
        for row in document["accounts"]
    ]
    return "\n".join(lines) or "no accounts yet: preference-loop account add NAME --role researcher"


def render_tokens(document: dict) -> str:
    """Format one line per token."""
    return (
        "\n".join(f"{row['token']}  until {row['expires_at'] or 'revoked'}" for row in document["tokens"])
        or "no open tokens"
    )

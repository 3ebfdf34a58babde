"""`account`: who may come in, with which role, by which link or token, and what is theirs."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.formats.writing import write_rows
from data.records import Account
from data.store import Store
from data.tables.personal_data import ALLOWED
from labeling.accounts import accounts, management

LINK = "Give this link to one person; it is good for a week. It begins with the app's address:\n{link}"


def register_account(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `account` with its verbs."""
    verbs = subparsers.add_parser("account", help="who may sign in, and with which role").add_subparsers(
        required=True, metavar="VERB"
    )

    def verb(name: str, help: str, run: Any, render: Any, *words: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, parents=[common], help=help)
        for word in words:
            made.add_argument(word)
        made.set_defaults(run=run, render=render)
        return made

    add = verb(
        "add", "a new account; asks for the password", cmd_add, "{name} may now sign in as {role}.".format_map, "name"
    )
    add.add_argument("--role", default="labeler", help="labeler or researcher (default %(default)s)")
    add.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input"
    )
    invite = verb("invite", "a one-time link by which one person makes an account", cmd_invite, LINK.format_map)
    invite.add_argument("--role", default="labeler", help="labeler or researcher (default %(default)s)")
    verb("password", "a one-time link by which a person chooses a new password", cmd_password, LINK.format_map, "name")
    verb("list", "all accounts", cmd_list, render_list)
    verb(
        "disable",
        "close an account, end its sessions, free what it holds",
        cmd_disable,
        "{name} is closed.".format_map,
        "name",
    )
    verb("enable", "let a closed account in again", cmd_enable, "{name} may sign in again.".format_map, "name")
    verb(
        "token", "a Bearer token for the HTTP API, good for a year, shown once", cmd_token, "{token}".format_map, "name"
    )
    verb("tokens", "the open tokens of an account", cmd_tokens, render_tokens, "name")
    verb(
        "revoke",
        "end one of them, by its mark",
        cmd_revoke,
        "The token {revoked} of {name} is ended.".format_map,
        "name",
        "token",
    )
    out = verb(
        "download",
        "write all that stands under an account",
        cmd_download,
        "{rows} rows are in {files[0]}.".format_map,
        "name",
    )
    out.add_argument("out", type=Path, metavar="OUT")
    erased = "Erased; the events stay under {erased}."
    verb("erase", "empty what a person wrote and take the name away, for ever", cmd_erase, erased.format_map, "name")
    rule = verb(
        "own-data",
        "what labelers of a project may do with what is theirs",
        cmd_own_data,
        "{project}: {allowed}.".format_map,
        "project",
    )
    rule.add_argument("allowed", help=", ".join(ALLOWED))


def cmd_add(args: argparse.Namespace) -> dict:
    """Create the account; the password comes from a prompt or from standard input."""
    store = open_store(args)
    password = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else ask_password()
    return told(accounts.create(store, args.name, args.role, password))


def ask_password() -> str:
    """Asked twice on the terminal. Raises BadInput where there is none, or where the two differ."""
    if not sys.stdin.isatty():
        raise BadInput(
            "there is no terminal to ask for the password", "Pipe it in with --password-stdin.", field="password"
        )
    first, second = getpass.getpass("Password: "), getpass.getpass("Again: ")
    if first != second:
        raise BadInput("the two passwords differ", "Type the same one twice.", field="password")
    return first


def cmd_list(args: argparse.Namespace) -> dict:
    """Every account, without anything secret."""
    return {"accounts": [told(account) for account in open_store(args).accounts.all()]}


def cmd_invite(args: argparse.Namespace) -> dict:
    """A link for a new account. Raises BadInput for an unknown role."""
    return {"link": management.invite(open_store(args), args.role), "role": args.role}


def cmd_password(args: argparse.Namespace) -> dict:
    """A link for a new password. Raises BadInput for an unknown or closed account."""
    return {"link": management.issue_password_link(open_store(args), args.name), "name": args.name}


def cmd_disable(args: argparse.Namespace) -> dict:
    """Close an account. Raises BadInput for an unknown name."""
    return told(open_store(args).accounts.disable(args.name))


def cmd_enable(args: argparse.Namespace) -> dict:
    """Open it again. Raises BadInput for an unknown name or an erased account."""
    return told(management.reopen_account(open_store(args), args.name))


def cmd_token(args: argparse.Namespace) -> dict:
    """Issue an API token. Raises BadInput for an unknown or closed account."""
    store = open_store(args)
    return {
        "name": management.find_open_account(store, args.name).name,
        "token": management.issue_token(store, args.name),
    }


def cmd_tokens(args: argparse.Namespace) -> dict:
    """The open ones. Raises BadInput for an unknown account."""
    store = open_store(args)
    return {
        "tokens": [
            {"token": each.mark, "created_at": each.created_at, "expires_at": each.expires_at}
            for each in tokens_of(store, args.name)
        ]
    }


def tokens_of(store: Store, name: str) -> list:
    """The API tokens of the account of that name. Raises BadInput where there is none."""
    return store.tokens.all(known(store, name).id, "api")


def cmd_revoke(args: argparse.Namespace) -> dict:
    """End one. Raises BadInput for an unknown account or token."""
    management.revoke_token(open_store(args), args.name, args.token)
    return {"name": args.name, "revoked": args.token}


def cmd_download(args: argparse.Namespace) -> dict:
    """Write what is a person's own as JSON lines. Raises BadInput for an unknown account or a file that is there already."""
    store = open_store(args)
    rows = store.personal_data.rows(known(store, args.name).id)
    return {"rows": write_rows(args.out, rows, force=False), "files": [str(args.out)]}


def cmd_erase(args: argparse.Namespace) -> dict:
    """Erase what is a person's own. Raises BadInput for an unknown account or the last researcher."""
    store = open_store(args)
    account = known(store, args.name)
    management.erase_personal_data(store, account)
    return {"erased": store.accounts.get(account.id).name}


def cmd_own_data(args: argparse.Namespace) -> dict:
    """Set a project's rule. Raises BadInput for an unknown project or rule."""
    store = open_store(args)
    project = next((each for each in store.projects.all() if args.project in (each.name, str(each.id))), None)
    if project is None:
        names = ", ".join(each.name for each in store.projects.all())
        raise BadInput(f"there is no project {args.project!r}", f"Take one of {names}.", field="project")
    store.personal_data.allow(project.id, args.allowed)
    return {"project": project.name, "allowed": args.allowed}


def known(store: Store, name: str) -> Account:
    """The account of that name, open or closed. Raises BadInput where there is none."""
    account = store.accounts.by_name(name)
    if account is None:
        raise BadInput(f"there is no account {name!r}", "See: preference-loop account list", field="name")
    return account


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
    return "\n".join(lines) or "no accounts yet: preference-loop account add NAME --role researcher"


def render_tokens(document: dict) -> str:
    """One line for a token."""
    return (
        "\n".join(f"{row['token']}  until {row['expires_at'] or 'revoked'}" for row in document["tokens"])
        or "no open tokens"
    )

# SPDX-License-Identifier: Apache-2.0
"""Management of people: invitations, passwords, tokens, closing, personal data. The audit log records every action."""

from __future__ import annotations

import json
from collections.abc import Iterator
from unicodedata import normalize

from data.errors import Refused
from data.records import Account
from data.store import Store
from labeling.accounts import accounts
from labeling.accounts.accounts import SESSION_SECONDS
from labeling.texts.pages import bad_input
from labeling.texts.translate import Refusal

API_SECONDS = 365 * 24 * 3600


def invite(store: Store, role: str, *, by: Account | None = None) -> str:
    """Return the path of a link that creates one account of that role. Raises BadInput for an unknown role."""
    with store.transaction():
        path = f"/invite?token={store.invitations.add(role, by=by.id if by else None)}"
        store.audit.add(audit_name(by), "invite", role=role)
        return path


def issue_password_link(store: Store, name: str, *, by: Account | None = None) -> str:
    """Return the path of a link that sets a new password. Raises BadInput for an unknown or closed account."""
    with store.transaction():
        account = find_open_account(store, name)
        store.audit.add(audit_name(by), "new password link", account=account.id)
        return f"/invite?token={store.invitations.add(account.role, by=by.id if by else None, account_id=account.id)}"


def accept_invitation(store: Store, token: str, name: str, password: str) -> tuple[str, Account] | None:
    """Use an invitation: return a session token and the account, or None if the link is used or expired.

    A new password ends the account's sessions and revokes its API tokens. Raises Refused for a bad name or password.
    Slow: it hashes the password.
    """
    invitation = store.invitations.find(token)
    if invitation is None:
        return None
    if invitation.account_id is None:
        accounts.check_new_name(store, name)
        accounts.check_password(password, name)
    else:
        accounts.check_password(password, store.accounts.get(invitation.account_id).name)
    hashed = accounts.hash_password(password)
    with store.transaction():
        if not store.invitations.consume(token):
            return None
        if invitation.account_id is None:
            account = store.accounts.add(normalize("NFC", name), invitation.role, password_hash=hashed)
            about = {"account": account.id, "role": account.role, "by": "invitation"}
            store.audit.add(audit_name(account), "add account", **about)
        else:
            account = store.accounts.set_password(store.accounts.get(invitation.account_id).name, hashed)
            store.audit.add(audit_name(account), "set password", account=account.id)
        return store.tokens.issue("session", account.id, SESSION_SECONDS), account


def close_account(store: Store, name: str, *, by: Account | None = None) -> Account:
    """Close an account.

    Raises BadInput for an unknown name, Refused if no other researcher could sign in afterwards.
    """
    with store.transaction():
        account = store.accounts.by_name(name)
        if (
            account
            and account.role == "researcher"
            and count_other_researchers(store, account) == 0
            and not account.disabled
            and account.password_hash
        ):
            raise bad_input("people.last_researcher", name=account.name, field="name", kind=Refused)
        closed = store.accounts.disable(name)
        store.audit.add(audit_name(by), "close account", account=closed.id)
        return closed


def reopen_account(store: Store, name: str, *, by: Account | None = None) -> Account:
    """Open a closed account again. Raises BadInput for an unknown name, Refused for an erased account."""
    with store.transaction():
        opened = store.accounts.enable(name)
        if opened.name == f"erased-{opened.id}":
            raise bad_input("people.was_erased", name=opened.name, field="name", kind=Refused)
        store.audit.add(audit_name(by), "open account", account=opened.id)
        return opened


def count_other_researchers(store: Store, account: Account) -> int:
    """Count the other open researchers that have a password."""
    return sum(
        other.role == "researcher" and bool(other.password_hash) and not other.disabled and other.id != account.id
        for other in store.accounts.all()
    )


def issue_token(store: Store, name: str, *, by: Account | None = None) -> str:
    """Return a Bearer token for the HTTP API, valid for a year. Raises BadInput for an unknown or closed account."""
    with store.transaction():
        account = find_open_account(store, name)
        store.audit.add(audit_name(by), "new token", account=account.id)
        return store.tokens.issue("api", account.id, API_SECONDS)


def revoke_token(store: Store, name: str, mark: str, *, by: Account | None = None) -> None:
    """Revoke the token with this mark. Raises BadInput for an unknown account or token."""
    account = store.accounts.by_name(name)
    if account is None:
        raise bad_input("refused.account_unknown", field="name", account=name)
    with store.transaction():
        store.tokens.revoke_by_mark(account.id, "api", mark)
        store.audit.add(audit_name(by), "revoke token", account=account.id)


def export_personal_data(store: Store, account: Account) -> Iterator[str]:
    """Return the caller's own data as JSON lines. Raises Refused if a project's rules forbid it."""
    if account.role == "labeler":
        check_projects_allow(store, account, "download")
    store.audit.add(audit_name(account), "export personal data", account=account.id)
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in store.personal_data.rows(account.id))


def erase_personal_data(store: Store, account: Account, *, by: Account | None = None) -> None:
    """Erase a person's data.

    Raises Refused for the last researcher, and if a project's rules forbid its labelers to erase their own data.
    """
    with store.transaction():
        if by is not None and by.id == account.id and account.role == "labeler":
            check_projects_allow(store, account, "erase")
        if not account.disabled:
            close_account(store, account.name, by=by)
        store.audit.add(audit_name(by), "erase", account=account.id)
        store.personal_data.erase(account.id)  # of the caller's own acts the addresses too
    store.personal_data.truncate_log()


def check_projects_allow(store: Store, account: Account, wanted: str) -> None:
    """Raise Refused with the project's name if a project of this labeler forbids the action `wanted`."""
    project = store.personal_data.project_forbidding(account.id, wanted)
    if project is not None:
        raise Refusal(f"yours_no_{wanted}", project=project)


def find_open_account(store: Store, name: str) -> Account:
    """Return the account of that name. Raises BadInput if there is none, or if it is closed."""
    account = store.accounts.by_name(name)
    if account is None or account.disabled:
        raise bad_input("refused.account_closed", field="name", account=name)
    return account


def audit_name(by: Account | None) -> str:
    """Return the actor's name for the audit log: the account's number, which an erasure does not change."""
    return f"account {by.id}" if by else "command line"

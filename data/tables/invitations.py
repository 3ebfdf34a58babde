# SPDX-License-Identifier: Apache-2.0
"""One-time links for new accounts and new passwords, and the identities of accounts at a provider."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from data.clock import later, now
from data.errors import BadInput
from data.records import Account
from data.sqlite.table import Table
from data.tables.accounts import ROLES, account_from_row
from data.tables.tokens import hash_token

INVITATION_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Invitation:
    """The purpose of an open link: an account of this `role`, or a new password for the account `account_id`."""

    role: str
    account_id: int | None
    expires_at: str


class Invitations(Table):
    """The open links; their tokens are shown once and never stored."""

    def add(self, role: str, *, by: int | None = None, account_id: int | None = None) -> str:
        """Return a new link's token, good for a week.

        Raises BadInput for an unknown role. Deletes expired links.
        """
        if role not in ROLES:
            raise BadInput.of("error.account_role", given=role, roles=", ".join(ROLES), field="role")
        token = secrets.token_urlsafe(32)
        row = {"hash": hash_token(token), "role": role, "account_id": account_id, "invited_by": by}
        with self._store.transaction():
            self._store.execute("DELETE FROM invitations WHERE expires_at <= ?", [now()])
            self._store.insert("invitations", row | {"expires_at": later(INVITATION_SECONDS), "created_at": now()})
        return token

    def find(self, token: str) -> Invitation | None:
        """Return the purpose of a link without using it; None if it is used or expired."""
        sql = "SELECT role, account_id, expires_at FROM invitations WHERE hash = ? AND expires_at > ?"
        row = self._store.maybe(sql, [hash_token(token), now()])
        return None if row is None else Invitation(**row)

    def consume(self, token: str) -> bool:
        """Use the link; return True exactly once."""
        return (
            self._store.execute("DELETE FROM invitations WHERE hash = ? AND expires_at > ?", [hash_token(token), now()])
            == 1
        )

    def open_count(self) -> int:
        """Count the open links."""
        return self._store.value("SELECT count(*) FROM invitations WHERE expires_at > ?", [now()])

    def link_identity(self, issuer: str, subject: str, account_id: int) -> None:
        """Link a person at a provider to the account; an existing link stays."""
        row = {"issuer": issuer, "subject": subject, "account_id": account_id, "created_at": now()}
        self._store.insert_or_ignore("identities", row)

    def account_of_identity(self, issuer: str, subject: str) -> Account | None:
        """Return the account that is linked to a person at a provider, or None."""
        sql = "SELECT accounts.* FROM identities JOIN accounts ON accounts.id = account_id WHERE issuer = ? AND subject = ?"
        row = self._store.maybe(sql, [issuer, subject])
        return None if row is None else account_from_row(row)

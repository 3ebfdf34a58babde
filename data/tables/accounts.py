# SPDX-License-Identifier: Apache-2.0
"""Accounts: people, simulated labelers, and authors of imported comparisons. Never deleted, only disabled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.records import Account
from data.sqlite.table import Table

ROLES = ("labeler", "researcher")


class Accounts(Table):
    """Accounts, for sign-in and as authors of labels. Names ignore case."""

    def add(self, name: str, role: str, password_hash: str | None = None, simulated: bool = False) -> Account:
        """Add an account. Raises BadInput for an empty or taken name or an unknown role."""
        name = name.strip()
        if not name:
            raise BadInput.of("error.account_nameless", field="name")
        if role not in ROLES:
            raise BadInput.of("error.account_role", given=role, roles=", ".join(ROLES), field="role")
        row = {"name": name, "role": role, "password_hash": password_hash, "simulated": int(simulated)}
        id = self._store.insert_or_ignore("accounts", row | {"created_at": now()})
        if id is None:
            raise BadInput.of("error.account_exists", account=name, field="name")
        return self.get(id)

    def get(self, id: int) -> Account:
        """Return the account. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM accounts WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_account", id=id)
        return account_from_row(row)

    def by_name(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        row = self._store.maybe("SELECT * FROM accounts WHERE name = ?", [name.strip()])
        return None if row is None else account_from_row(row)

    def all(self) -> list[Account]:
        """Return every account, oldest first."""
        return [account_from_row(row) for row in self._store.rows("SELECT * FROM accounts ORDER BY id")]

    def answer_counts(self) -> dict[int, int]:
        """Count the current comparisons of each account; accounts without one are left out."""
        rows = self._store.rows("SELECT labeler_id, sum(answers) AS n FROM tallies GROUP BY labeler_id")
        return {row["labeler_id"]: row["n"] for row in rows}

    def disable(self, name: str) -> Account:
        """Disable an account, end its sessions and tokens, and release its leases.

        Raises BadInput for an unknown name.
        """
        with self._store.transaction():
            account = self._named(name)
            self._store.execute("UPDATE accounts SET disabled = 1 WHERE id = ?", [account.id])
            self._store.execute("DELETE FROM tokens WHERE account_id = ?", [account.id])
            self._store.execute(
                "UPDATE assignments SET expires_at = ?1 WHERE labeler_id = ?2 AND expires_at > ?1", [now(), account.id]
            )
            return self.get(account.id)

    def enable(self, name: str) -> Account:
        """Enable a disabled account; its owner signs in again. Raises BadInput for an unknown name."""
        with self._store.transaction():
            account = self._named(name)
            self._store.execute("UPDATE accounts SET disabled = 0 WHERE id = ?", [account.id])
            return self.get(account.id)

    def set_password(self, name: str, password_hash: str) -> Account:
        """Change the hash of a password, end all sessions and revoke all API tokens: a thief may hold either."""
        with self._store.transaction():
            account = self._named(name)
            self._store.execute("UPDATE accounts SET password_hash = ? WHERE id = ?", [password_hash, account.id])
            self._store.execute("DELETE FROM tokens WHERE account_id = ? AND kind IN ('session', 'api')", [account.id])
            return self.get(account.id)

    def _named(self, name: str) -> Account:
        account = self.by_name(name)
        if account is None:
            raise BadInput.of("error.account_unknown", account=name, field="name")
        return account


def account_from_row(row: Mapping[str, Any]) -> Account:
    """Return the record of a row."""
    fields = {name: row[name] for name in Account.__dataclass_fields__}
    return Account(**{**fields, "simulated": bool(row["simulated"]), "disabled": bool(row["disabled"])})

# SPDX-License-Identifier: Apache-2.0
"""Tokens of sessions, of the API, of the first link and of other machines. The store holds only their hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from data.clock import later, now
from data.errors import BadInput
from data.records import Account
from data.sqlite.table import Table
from data.tables.accounts import account_from_row


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed: the first 8 digits of its hash, by which it can be revoked."""

    mark: str
    created_at: str
    expires_at: str | None


class Tokens(Table):
    """Tokens, most of them with an expiry time."""

    def issue(self, kind: str, account_id: int | None, seconds: float | None) -> str:
        """Make a token of a kind ('session', 'api', 'first-link'); it is shown once and never stored.

        Deletes expired tokens.

        `account_id` None: a first link, opened before there is an account; `seconds` None: it does not expire.
        """
        token = secrets.token_urlsafe(32)
        expires = None if seconds is None else later(seconds)
        row = {
            "hash": hash_token(token),
            "kind": kind,
            "account_id": account_id,
            "expires_at": expires,
            "created_at": now(),
        }
        with self._store.transaction():
            self._store.execute("DELETE FROM tokens WHERE expires_at <= ?", [now()])
            self._store.insert("tokens", row)
        return token

    def find(self, token: str, kind: str | None = None) -> Account | None:
        """Return the owner of a token; None if it is unknown, of another kind, expired, or its account is disabled."""
        sql = (
            "SELECT accounts.* FROM tokens JOIN accounts ON accounts.id = account_id WHERE hash = :hash AND NOT disabled"
            " AND (expires_at IS NULL OR expires_at > :now) AND (:kind IS NULL OR kind = :kind)"
        )
        row = self._store.maybe(sql, {"hash": hash_token(token), "now": now(), "kind": kind})
        return None if row is None else account_from_row(row)

    def is_valid(self, token: str, kind: str) -> bool:
        """Return whether such a token is valid, without using it."""
        sql = "SELECT 1 FROM tokens WHERE hash = ? AND kind = ? AND (expires_at IS NULL OR expires_at > ?)"
        return self._store.value(sql, [hash_token(token), kind, now()]) is not None

    def consume(self, token: str, kind: str) -> bool:
        """Use a one-time token; return True exactly once, and only before it expires."""
        sql = "DELETE FROM tokens WHERE hash = ? AND kind = ? AND (expires_at IS NULL OR expires_at > ?)"
        return self._store.execute(sql, [hash_token(token), kind, now()]) == 1

    def revoke(self, token: str) -> None:
        """Revoke a token; do nothing for an unknown one."""
        self._store.execute("DELETE FROM tokens WHERE hash = ?", [hash_token(token)])

    def all(self, account_id: int, kind: str) -> list[TokenInfo]:
        """Return the open tokens of an account, oldest first, without their secrets."""
        sql = (
            "SELECT substr(hash, 1, 8) AS mark, created_at, expires_at FROM tokens WHERE account_id = ? AND kind = ?"
            " AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at"
        )
        return [TokenInfo(**row) for row in self._store.rows(sql, [account_id, kind, now()])]

    def revoke_by_mark(self, account_id: int, kind: str, mark: str) -> None:
        """End the account's token with that mark. Raises BadInput if there is none."""
        sql = "DELETE FROM tokens WHERE account_id = ? AND kind = ? AND substr(hash, 1, 8) = ?"
        if not self._store.execute(sql, [account_id, kind, mark]):
            raise BadInput.of("error.token_unknown", mark=mark, field="token")


@dataclass(frozen=True, slots=True)
class WorkerToken:
    """The rights of another machine's token: claim runs as the worker `name`, or work on the run `run_id`."""

    name: str | None
    run_id: int | None


class WorkerTokens(Table):
    """Tokens of other machines: one for each worker's name, and one for each run that works elsewhere."""

    def issue_for_worker(self, name: str) -> str:
        """Make the token of a worker; it replaces the worker's former one."""
        return self._issue("name", name)

    def issue_for_run(self, run_id: int) -> str:
        """Make the token of one run; it replaces the run's former one, so only one machine works on the run."""
        return self._issue("run_id", run_id)

    def bind(self, run_id: int, claim: str) -> bool:
        """Give the token of a run to a claim; return False if it belongs to another one."""
        sql = "UPDATE worker_tokens SET claim = :claim WHERE run_id = :run AND coalesce(claim, :claim) = :claim"
        return self._store.execute(sql, {"run": run_id, "claim": claim}) == 1

    def find(self, token: str) -> WorkerToken | None:
        """Return what the token may do; None if it is unknown."""
        hashed = hash_token(token)
        row = self._store.maybe("SELECT hash, name, run_id FROM worker_tokens WHERE hash = ?", [hashed])
        if row is None or not hmac.compare_digest(row["hash"], hashed):
            return None
        return WorkerToken(row["name"], row["run_id"])

    def revoke(self, name: str) -> bool:
        """Revoke the token of a worker; return whether there was one."""
        return self._store.execute("DELETE FROM worker_tokens WHERE name = ?", [name]) == 1

    def _issue(self, column: str, value: str | int) -> str:
        token = secrets.token_urlsafe(32)
        with self._store.transaction():
            self._store.execute(f"DELETE FROM worker_tokens WHERE {column} = ?", [value])
            self._store.insert("worker_tokens", {"hash": hash_token(token), column: value, "created_at": now()})
        return token


def hash_token(token: str) -> str:
    """Return the hash by which the store finds a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

# SPDX-License-Identifier: Apache-2.0
"""Accounts: names, passwords, roles, sign-in and the one-time first link.

Passwords are stored as scrypt hashes (RFC 7914; n=2^14, r=8, p=5, about 16 MB each). The store issues tokens and keeps
only their hashes. Every account has one role; a `researcher` may do everything that a `labeler` may.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from unicodedata import normalize

from data.errors import BadInput
from data.records import Account
from data.store import Store
from labeling.http.socket import is_loopback
from labeling.texts.translate import Refusal

PASSWORD_LENGTH = 8
NAME_LENGTH = 40
SESSION_SECONDS = 14 * 24 * 3600
FIRST_LINK_SECONDS = 24 * 3600
N, R, P = 2**14, 8, 5  # scrypt's cost, block size and parallelism


def hash_password(password: str) -> str:
    """Return `scrypt$n$r$p$salt$key`, salt and key in base64. Takes about 0.2 s: never call it on an event loop."""
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, N, R, P)))
    return "$".join(("scrypt", str(N), str(R), str(P), *parts))


def verify_password(password: str, stored: str | None) -> bool:
    """Return True if `stored` was made from `password`. Takes as long without a stored hash."""
    _, n, r, p, salt, key = (stored or _NOBODY).split("$")
    computed = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(computed, base64.b64decode(key)) and stored is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=2 * 128 * n * r, dklen=32)


_NOBODY = "$".join(
    ("scrypt", str(N), str(R), str(P), base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(32)).decode())
)


def create(store: Store, name: str, role: str, password: str | None, *, by: str = "command line") -> Account:
    """Add an account. Without a password it can hold API tokens but not sign in. `by`: the actor in the audit list.

    Raises Refused for a bad name or password, BadInput for an unknown role.
    """
    hashed = password_hash(store, name, password)
    with store.transaction():
        account = store.accounts.add(normalize("NFC", name), role, password_hash=hashed)
        store.audit.add(by, "add account", account=account.id, role=role)
        return account


def password_hash(store: Store, name: str, password: str | None) -> str | None:
    """Check the name and password of a new account and return the hash. Raises Refused."""
    check_new_name(store, name)
    if password is not None:
        check_password(password, name)
    return None if password is None else hash_password(password)


def check_new_name(store: Store, name: str) -> None:
    """Accept a valid name that no account has. Raises Refused."""
    check_name(name)
    if store.accounts.by_name(name_to_look_up(name)):
        raise Refusal("name_taken", name=name)


def check_name(name: str) -> None:
    """Accept 1 to 40 printable characters without spaces at the ends. Raises Refused."""
    if not (0 < len(name) <= NAME_LENGTH and name == name.strip() and name.isprintable()):
        raise Refusal("name_rule")


def check_password(password: str, name: str) -> None:
    """Accept at least 8 characters that are not the name. Raises Refused."""
    if len(password) < PASSWORD_LENGTH:
        raise Refusal("password_short", have=len(password), n=PASSWORD_LENGTH)
    if password.casefold() == name.casefold():
        raise Refusal("password_name")


def name_to_look_up(name: str) -> str:
    """Return the form in which a typed name is looked up: NFC, without spaces of any kind at the ends."""
    return normalize("NFC", name).strip()


def sign_in(store: Store, name: str, password: str) -> str | None:
    """Return a session token, or None for a wrong name or password. Slow: see `hash_password`."""
    account = store.accounts.by_name(name_to_look_up(name))
    is_right = verify_password(password, account.password_hash if account else None)
    if account is None or not is_right or account.disabled:
        return None
    return store.tokens.issue("session", account.id, SESSION_SECONDS)


def nobody_can_sign_in(store: Store) -> bool:
    """Return True while no open account has a password. Only then the first link works."""
    return not any(account.password_hash and not account.disabled for account in store.accounts.all())


def issue_first_link(store: Store) -> str | None:
    """Return the path `/first?token=...` that creates the first researcher, or None if somebody can sign in."""
    if not nobody_can_sign_in(store):
        return None
    return f"/first?token={store.tokens.issue('first-link', None, FIRST_LINK_SECONDS)}"


def check_host(store: Store, host: str, behind_proxy: bool = False) -> None:
    """Refuse to serve other machines while nobody can sign in. Raises BadInput.

    The first visitor would own the store.
    """
    if (behind_proxy or not is_loopback(host)) and nobody_can_sign_in(store):
        flag = "--behind-proxy" if behind_proxy else f"--host {host}"
        raise BadInput(
            error=f"{flag} opens the app to other machines, but nobody can sign in yet",
            remedy="Create one first: preference-loop account add NAME --role researcher",
            field="host",
        )


def is_first_link_valid(store: Store, token: str) -> bool:
    """Return True while this first link can be used."""
    return nobody_can_sign_in(store) and store.tokens.is_valid(token, "first-link")


def redeem_first_link(store: Store, token: str, name: str, password: str) -> str | None:
    """Create the first researcher and return a session token, or None if the link is used or expired.

    Raises Refused for a bad name or password.
    """
    if not is_first_link_valid(store, token):
        return None
    hashed = password_hash(store, name, password)
    with store.transaction():
        if not (nobody_can_sign_in(store) and store.tokens.consume(token, "first-link")):
            return None
        account = store.accounts.add(normalize("NFC", name), "researcher", password_hash=hashed)
        store.audit.add(f"account {account.id}", "add account", account=account.id, role=account.role, by="first link")
        return store.tokens.issue("session", account.id, SESSION_SECONDS)

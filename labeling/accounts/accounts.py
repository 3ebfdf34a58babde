"""Accounts as people meet them: names, passwords, roles, signing in, and the one-time first link.

Passwords are kept as scrypt hashes (RFC 7914; n=2^14, r=8, p=5, which takes about 16 MB); tokens are issued by the
store, which keeps only their hash. Every account has one role: a `researcher` may do all that a `labeler` may.
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
N, R, P = 2**14, 8, 5


def hash_password(password: str) -> str:
    """`scrypt$n$r$p$salt$key`, salt and key in base64; about 0.2 s, so never on an event loop."""
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, N, R, P)))
    return "$".join(("scrypt", str(N), str(R), str(P), *parts))


def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` is the one `stored` was made from; takes as long where there is none."""
    _, n, r, p, salt, key = (stored or _NOBODY).split("$")
    made = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(made, base64.b64decode(key)) and stored is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=2 * 128 * n * r, dklen=32)


_NOBODY = "$".join(
    ("scrypt", str(N), str(R), str(P), base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(32)).decode())
)


def create(store: Store, name: str, role: str, password: str | None) -> Account:
    """A new account. Without a password it can hold API tokens but not sign in.

    Raises `Refused` for a name that is taken or malformed or a password that breaks the rule, `BadInput` for an unknown role.
    """
    return store.accounts.add(normalize("NFC", name), role, password_hash=password_hash(store, name, password))


def password_hash(store: Store, name: str, password: str | None) -> str | None:
    """The hash for a new account, after its name and password were found good. Raises `Refused`."""
    check_name(name)
    if password is not None:
        check_password(password, name)
    if store.accounts.by_name(normalize("NFC", name)):
        raise Refusal("name_taken", name=name)
    return None if password is None else hash_password(password)


def check_name(name: str) -> None:
    """One rule: 1 to 40 printable characters, no spaces at the ends. Raises `Refused`."""
    if not (0 < len(name) <= NAME_LENGTH and name == name.strip() and name.isprintable()):
        raise Refusal("name_rule")


def check_password(password: str, name: str) -> None:
    """One rule: at least 8 characters and not the name. Raises `Refused`."""
    if len(password) < PASSWORD_LENGTH:
        raise Refusal("password_short", have=len(password), n=PASSWORD_LENGTH)
    if password.casefold() == name.casefold():
        raise Refusal("password_name")


def sign_in(store: Store, name: str, password: str) -> str | None:
    """A session token that survives a restart of the server, or None where name or password is wrong. Slow: see `hash_password`."""
    account = store.accounts.by_name(normalize("NFC", name))
    if not verify_password(password, account.password_hash if account else None) or account.disabled:
        return None
    return store.tokens.issue("session", account.id, SESSION_SECONDS)


def nobody_can_sign_in(store: Store) -> bool:
    """Whether no open account has a password yet: then, and only then, the first link works."""
    return not any(account.password_hash and not account.disabled for account in store.accounts.all())


def issue_first_link(store: Store) -> str | None:
    """The path `/first?token=...` whose reader becomes the first researcher, or None where somebody can sign in already."""
    if not nobody_can_sign_in(store):
        return None
    return f"/first?token={store.tokens.issue('first-link', None, FIRST_LINK_SECONDS)}"


def check_host(store: Store, host: str, behind_proxy: bool = False) -> None:
    """Refuse to serve other machines while nobody can sign in: whoever came first would own the store. Raises `BadInput`."""
    if (behind_proxy or not is_loopback(host)) and nobody_can_sign_in(store):
        flag = "--behind-proxy" if behind_proxy else f"--host {host}"
        raise BadInput(
            error=f"{flag} opens the app to other machines and there is no account yet",
            remedy="Create one first: preference-loop account add NAME --role researcher",
            field="host",
        )


def is_first_link_valid(store: Store, token: str) -> bool:
    """Whether this first link can still be used."""
    return nobody_can_sign_in(store) and store.tokens.is_valid(token, "first-link")


def redeem_first_link(store: Store, token: str, name: str, password: str) -> str | None:
    """Make the first researcher; a session token, or None where the link was used or is too old. Raises `Refused` for name or password."""
    if not is_first_link_valid(store, token):
        return None
    hashed = password_hash(store, name, password)
    with store.transaction():
        if not (nobody_can_sign_in(store) and store.tokens.consume(token, "first-link")):
            return None
        account = store.accounts.add(normalize("NFC", name), "researcher", password_hash=hashed)
        return store.tokens.issue("session", account.id, SESSION_SECONDS)

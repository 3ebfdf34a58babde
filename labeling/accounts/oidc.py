# SPDX-License-Identifier: Apache-2.0
"""Sign-in at an OpenID Connect provider: off unless the server starts with `--oidc FILE`.

The authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1; RFC 7636). Issuer and subject
identify a person, never a name or an address that the provider may give to somebody else. A new person needs an
invitation, or becomes a labeler if the file has `new_accounts`.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BadInput, Refused
from data.records import Account
from data.store import Store
from labeling.accounts.accounts import NAME_LENGTH, SESSION_SECONDS, check_name
from labeling.texts.translate import Refusal

if TYPE_CHECKING:
    import httpx
    from joserfc.jwk import KeySetSerialization

SCOPE = "openid profile email"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
PENDING_SECONDS, MOST_PENDING, TIMEOUT, LEEWAY = 600.0, 1000, 10.0, 60


@dataclass(frozen=True, slots=True)
class Provider:
    """The fields of the file. `name` is on the button. With `new_accounts` everybody becomes a labeler."""

    issuer: str
    client_id: str
    client_secret: str
    name: str = "OpenID"
    new_accounts: bool = False


def read_provider(path: Path) -> Provider:
    """Read a provider from a JSON file. Raises BadInput that names the file and the field."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"the file cannot be read: {problem.strerror}", "Check the path.", file=str(path)) from None
    except ValueError:
        raise BadInput("this is not JSON", "Write one object; docs/how-to/team.md shows it.", file=str(path)) from None
    known_fields = {field.name: field for field in fields(Provider)}
    if not isinstance(given, dict):
        raise BadInput("this is not one JSON object", "docs/how-to/team.md shows it.", file=str(path))
    for name, value in given.items():
        if name not in known_fields or not isinstance(value, bool if name == "new_accounts" else str):
            raise BadInput(
                f"the field {name!r} with the value {value!r} is not valid",
                f"Use {', '.join(known_fields)}.",
                file=str(path),
                field=name,
            )
    missing = [name for name, field in known_fields.items() if field.default is MISSING and not given.get(name)]
    if missing:
        raise BadInput(
            f"the field {missing[0]!r} is missing",
            "docs/how-to/team.md shows the file.",
            file=str(path),
            field=missing[0],
        )
    if not given["issuer"].startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise BadInput(
            f"the issuer {given['issuer']!r} does not begin with https://",
            "Give its https address.",
            file=str(path),
            field="issuer",
        )
    return Provider(**given)


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that began here: what the provider must send back, and the page to open afterwards."""

    nonce: str
    verifier: str
    redirect_uri: str
    after: str
    invitation: str
    until: float


class OidcClient:
    """A client of one provider. Pending sign-ins are in memory; after a restart people sign in again."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self.provider = provider
        self.clock = clock
        self.pending: dict[str, PendingSignIn] = {}
        self.endpoints: dict[str, str] = {}

    async def start(self, redirect_uri: str, *, after: str = "", invitation: str = "") -> tuple[str, str]:
        """Return the state and the provider's address to go to. Raises Refused if the provider does not answer."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        endpoints = await self.discover()
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        self._store_pending(
            state,
            PendingSignIn(nonce, verifier, redirect_uri, after, invitation, self.clock() + PENDING_SECONDS),
        )
        address = prepare_grant_uri(
            endpoints["authorization_endpoint"],
            self.provider.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return state, address

    async def complete(self, state: str, code: str) -> tuple[dict[str, Any], PendingSignIn]:
        """Return the verified claims of the id token, and the sign-in that they belong to. A state works once.

        Raises Refused.
        """
        pending = self.pending.pop(state, None)
        if pending is None or pending.until <= self.clock():
            raise Refusal("oidc_late")
        endpoints = await self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.verifier,
        }
        secret = (self.provider.client_id, self.provider.client_secret)
        try:
            async with _http_client() as client:
                token = await client.post(endpoints["token_endpoint"], data=form, auth=secret)
                keys = await client.get(endpoints["jwks_uri"])
            id_token = token.raise_for_status().json()["id_token"]
            return self.verify(id_token, keys.raise_for_status().json(), pending.nonce), pending
        except Refused:
            raise
        except Exception as problem:  # anything that the provider sent: neither trusted nor shown
            raise Refusal("oidc_answer", kind=type(problem).__name__) from problem

    def verify(self, id_token: str, keys: KeySetSerialization, nonce: str) -> dict[str, Any]:
        """Return the claims of an id token that the provider signed for this client and this sign-in (Core 3.1.3.7).

        Raises Refused, and joserfc's errors.
        """
        from joserfc import jwt
        from joserfc.jwk import KeySet

        claims = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims
        client_id = self.provider.client_id
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self.provider.issuer},
            aud={"essential": True, "value": client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(claims)
        only_this_client = claims["aud"] in (client_id, [client_id]) or claims.get("azp") == client_id
        if not isinstance(claims["sub"], str) or not only_this_client:
            raise Refusal("oidc_audience")
        return claims

    async def discover(self) -> dict[str, str]:
        """Return the provider's endpoints, fetched once. Raises Refused."""
        if not self.endpoints:
            address = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                async with _http_client() as client:
                    document = (await client.get(address)).json()
                if document["issuer"] != self.provider.issuer:
                    raise ValueError(document["issuer"])
                names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                self.endpoints = {name: document[name] for name in names}
            except Exception as problem:
                raise Refusal("oidc_silent", name=self.provider.name, kind=type(problem).__name__) from problem
        return self.endpoints

    def _store_pending(self, state: str, pending: PendingSignIn) -> None:
        self.pending = {key: other for key, other in self.pending.items() if other.until > self.clock()}
        while len(self.pending) >= MOST_PENDING:
            del self.pending[next(iter(self.pending))]
        self.pending[state] = pending


def _http_client() -> httpx.AsyncClient:
    import httpx  # 0.1 s, which a server without a provider need not spend

    return httpx.AsyncClient(timeout=TIMEOUT, headers={"accept": "application/json"})


def sign_in_identity(store: Store, provider: Provider, claims: dict[str, Any], invitation: str) -> tuple[str, Account]:
    """Return a session token and the account of the person in the claims.

    Raises Refused for a person without an invitation, and for a closed account.
    """
    with store.transaction():
        account = store.invitations.account_of_identity(provider.issuer, claims["sub"])
        if account is None:
            account = account_for_invitation(store, provider, claims, invitation)
            store.invitations.link_identity(provider.issuer, claims["sub"], account.id)
            store.audit.add(f"account {account.id}", "link identity", account=account.id, issuer=provider.issuer)
        if account.disabled:
            raise Refusal("oidc_closed")
        return store.tokens.issue("session", account.id, SESSION_SECONDS), account


def account_for_invitation(store: Store, provider: Provider, claims: dict[str, Any], token: str) -> Account:
    """Return the account of an invitation, or a new one.

    Raises Refused without an invitation, unless the provider alone suffices.
    """
    invitation = store.invitations.find(token) if token else None
    if invitation is None and not provider.new_accounts:
        raise Refusal("oidc_unknown")
    if invitation:
        store.invitations.consume(token)
        if invitation.account_id:
            return store.accounts.get(invitation.account_id)
    account = store.accounts.add(choose_free_name(store, claims), invitation.role if invitation else "labeler")
    store.audit.add(f"account {account.id}", "add account", account=account.id, role=account.role, by="provider")
    return account


def choose_free_name(store: Store, claims: dict[str, Any]) -> str:
    """Return the first valid name in the claims, with a number if it is taken."""
    for claim in ("preferred_username", "name", "email"):
        name = str(claims.get(claim) or "").strip()[: NAME_LENGTH - 4]
        try:
            check_name(name)
        except Refused:
            continue
        numbered = (name, *(f"{name} {number}" for number in range(2, 1000)))
        return next(free for free in numbered if store.accounts.by_name(free) is None)
    return f"person {secrets.token_hex(4)}"

"""Signing in at an OpenID Connect provider: off unless the server is started with `--oidc FILE`.

The authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1; RFC 7636). A person at a provider is known by
issuer and subject, never by a name or an address that the provider may give to somebody else. Who is new comes in by an
invitation, or, where the file says so, as a labeler.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from data.errors import BadInput, Refused
from data.records import Account
from data.store import Store
from labeling.accounts.accounts import NAME_LENGTH, SESSION_SECONDS, check_name
from labeling.texts.translate import Refusal

SCOPE = "openid profile email"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
BEGUN_SECONDS, MOST_BEGUN, TIMEOUT, LEEWAY = 600.0, 1000, 10.0, 60


@dataclass(frozen=True, slots=True)
class Provider:
    """The file's fields. `name` is written on the button; with `new_accounts` whom the provider knows becomes a labeler."""

    issuer: str
    client_id: str
    client_secret: str
    name: str = "OpenID"
    new_accounts: bool = False


def read_provider(path: Path) -> Provider:
    """The provider of a JSON file. Raises BadInput that names the file and the field."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot be read: {problem.strerror}", "Check the path.", file=str(path)) from None
    except ValueError:
        raise BadInput("this is not JSON", "Write one object; docs/serving.md shows it.", file=str(path)) from None
    known = {field.name: field for field in fields(Provider)}
    if not isinstance(given, dict):
        raise BadInput("this is not one JSON object", "docs/serving.md shows it.", file=str(path))
    for name, value in given.items():
        if name not in known or not isinstance(value, bool if name == "new_accounts" else str):
            raise BadInput(
                f"there is no field {name!r} like {value!r}", f"Take {', '.join(known)}.", file=str(path), field=name
            )
    missing = [name for name, field in known.items() if field.default is MISSING and not given.get(name)]
    if missing:
        raise BadInput(
            f"the field {missing[0]!r} is missing", "docs/serving.md shows the file.", file=str(path), field=missing[0]
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
    """A sign-in on its way: what it must bring back, and where it leads."""

    nonce: str
    verifier: str
    back: str
    after: str
    invitation: str
    until: float


class OidcClient:
    """One provider, and the sign-ins on their way to it; they are in memory, so a restart means pressing the button again."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self.provider = provider
        self.clock = clock
        self.begun: dict[str, PendingSignIn] = {}
        self.about: dict[str, Any] = {}

    async def start(self, back: str, *, after: str = "", invitation: str = "") -> tuple[str, str]:
        """(state, the provider's address to go to). Raises Refused where the provider cannot be asked."""
        about = await self.discover()
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        self.begun = {key: each for key, each in self.begun.items() if each.until > self.clock()}
        while len(self.begun) >= MOST_BEGUN:
            del self.begun[next(iter(self.begun))]
        self.begun[state] = PendingSignIn(nonce, verifier, back, after, invitation, self.clock() + BEGUN_SECONDS)
        async with self.client(back) as client:
            address, _ = client.create_authorization_url(
                about["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return state, address

    async def complete(self, state: str, code: str) -> tuple[dict[str, Any], PendingSignIn]:
        """The checked claims of the id token, and the sign-in that they belong to; once for a state. Raises Refused."""
        begun = self.begun.pop(state, None)
        if begun is None or begun.until <= self.clock():
            raise Refusal("oidc_late")
        about = await self.discover()
        try:
            async with self.client(begun.back) as client:
                token = await client.fetch_token(about["token_endpoint"], code=code, code_verifier=begun.verifier)
                keys = (await client.request("GET", about["jwks_uri"], withhold_token=True)).json()
            return self.checked(token["id_token"], keys, begun.nonce), begun
        except Refused:
            raise
        except Exception as problem:  # whatever the provider sent: its answer is not ours to trust, nor to show
            raise Refusal("oidc_answer", kind=type(problem).__name__) from problem

    def checked(self, id_token: str, keys: dict, nonce: str) -> dict[str, Any]:
        """The claims of an id token that this provider signed for this client and this sign-in (Core 3.1.3.7). Raises whatever is wrong."""
        from joserfc import jwt
        from joserfc.jwk import KeySet

        claims = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims
        client = self.provider.client_id
        rules = {"iss": self.provider.issuer, "aud": client, "nonce": nonce}
        must = {name: {"essential": True, "value": value} for name, value in rules.items()}
        jwt.JWTClaimsRegistry(leeway=LEEWAY, **must, sub={"essential": True}, exp={"essential": True}).validate(claims)
        if not isinstance(claims["sub"], str) or (
            claims["aud"] not in (client, [client]) and claims.get("azp") != client
        ):
            raise Refusal("oidc_audience")
        return claims

    async def discover(self) -> dict[str, Any]:
        """The provider's description of itself, asked for once. Raises Refused."""
        if not self.about:
            address = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                async with self.client("") as client:
                    about = (await client.request("GET", address, withhold_token=True)).json()
                if about["issuer"] != self.provider.issuer:
                    raise ValueError(about["issuer"])
                self.about = {name: about[name] for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            except Exception as problem:
                raise Refusal("oidc_silent", name=self.provider.name, kind=type(problem).__name__) from problem
        return self.about

    def client(self, back: str) -> Any:
        """A client for one exchange."""
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        provider = self.provider
        return AsyncOAuth2Client(
            provider.client_id,
            provider.client_secret,
            scope=SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=TIMEOUT,
        )


def sign_in_identity(store: Store, provider: Provider, claims: dict[str, Any], invitation: str) -> tuple[str, Account]:
    """A session token and the account of the person whom the claims are about. Raises Refused for whom nobody invited, and a closed account."""
    with store.transaction():
        account = store.invitations.account_of_identity(provider.issuer, claims["sub"])
        if account is None:
            account = account_for_invitation(store, provider, claims, invitation)
            store.invitations.link_identity(provider.issuer, claims["sub"], account.id)
        if account.disabled:
            raise Refusal("oidc_closed")
        return store.tokens.issue("session", account.id, SESSION_SECONDS), account


def account_for_invitation(store: Store, provider: Provider, claims: dict[str, Any], token: str) -> Account:
    """The account that an invitation is for, or a new one. Raises Refused without an invitation where the provider alone does not suffice."""
    invitation = store.invitations.find(token) if token else None
    if invitation is None and not provider.new_accounts:
        raise Refusal("oidc_unknown")
    if invitation:
        store.invitations.consume(token)
        if invitation.account_id:
            return store.accounts.get(invitation.account_id)
    return store.accounts.add(choose_free_name(store, claims), invitation.role if invitation else "labeler")


def choose_free_name(store: Store, claims: dict[str, Any]) -> str:
    """A name for the account: the first usable one that the provider tells, with a number where it is taken."""
    for claim in ("preferred_username", "name", "email"):
        name = str(claims.get(claim) or "").strip()[: NAME_LENGTH - 4]
        try:
            check_name(name)
        except Refused:
            continue
        numbered = (name, *(f"{name} {number}" for number in range(2, 1000)))
        return next(each for each in numbered if store.accounts.by_name(each) is None)
    return f"person {secrets.token_hex(4)}"

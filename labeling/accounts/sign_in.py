# SPDX-License-Identifier: Apache-2.0
"""Sign-in, sign-out, the first link and invitations: the routes that the gate answers for unknown callers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data.errors import Refused
from data.store import Store
from data.tables.invitations import Invitation
from labeling.accounts import accounts, management, sign_in_pages
from labeling.accounts.oidc import PENDING_SECONDS, OidcClient, sign_in_identity
from labeling.accounts.rate_limit import RateLimit, address_key
from labeling.accounts.sign_in_pages import first_page, invite_page, sign_in_page
from labeling.http.requests import client_address, detect_language, is_own_path, read_form, root_path
from labeling.http.responses import notice_response
from labeling.texts.translate import Refusal, say

COOKIE, STATE = "preference_loop", "preference_loop_oidc"
HOME = {"labeler": "/label/", "researcher": "/train/"}
NAME_ATTEMPTS, ADDRESS_ATTEMPTS = 5, 20
"""Failures within the window of the rate limit. Many people may share one address."""
LONGEST_KEY = 200
"""Characters of a name that count; no account's name has as many, even casefolded."""

Handler = Callable[[Request], Awaitable[Response]]


class SignInRoutes:
    """The pages in front of the app. Every write to the store happens off the event loop."""

    def __init__(self, store: Store, rate_limit: RateLimit, oidc: OidcClient | None = None) -> None:
        self.store = store
        self.rate_limit = rate_limit
        self.oidc = oidc

    @property
    def client(self) -> OidcClient:
        """The provider's client. The routes that use it exist only with a provider. Raises LookupError without one."""
        if self.oidc is None:
            raise LookupError("no OpenID Connect provider")
        return self.oidc

    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """Return the handler of every method and path."""
        provider = (
            {("GET", "/oidc"): self.start_at_provider, ("GET", "/oidc/back"): self.finish_at_provider}
            if self.oidc
            else {}
        )
        return provider | {
            ("GET", "/"): self.redirect_home,
            ("GET", "/login"): self.show_sign_in,
            ("POST", "/login"): self.sign_in,
            ("POST", "/logout"): self.sign_out,
            ("GET", "/first"): self.show_first_link,
            ("POST", "/first"): self.use_first_link,
            ("GET", "/invite"): self.show_invitation,
            ("POST", "/invite"): self.use_invitation,
        }

    async def redirect_home(self, request: Request) -> Response:
        """Redirect to the page of the caller's role."""
        token = request.cookies.get(COOKIE)
        account = self.store.tokens.find(token, "session") if token else None
        return RedirectResponse(root_path(request) + (HOME[account.role] if account else "/login"), 303)

    async def show_sign_in(self, request: Request) -> Response:
        """Show the sign-in form."""
        after = request.query_params.get("next", "")
        return HTMLResponse(
            sign_in_page(detect_language(request), after=after, other=self.provider_link(request, next=after))
        )

    async def sign_in(self, request: Request) -> Response:
        """Check name and password off the loop. After too many failures a name or an address has to wait."""
        form = await read_form(request)
        name, after = form.get("name", ""), form.get("next", "")
        by_name, by_address = attempt_keys(name, client_address(request))
        wait = max(
            self.rate_limit.seconds_to_wait(by_name, NAME_ATTEMPTS),
            self.rate_limit.seconds_to_wait(by_address, ADDRESS_ATTEMPTS),
        )
        if wait:
            error = say(detect_language(request), "sign_in_often", s=wait)
            return HTMLResponse(
                sign_in_page(detect_language(request), after=after, name=name, error=error),
                429,
                {"retry-after": str(wait)},
            )
        # Count before the slow check; otherwise a thousand parallel attempts would all precede the first failure.
        self.rate_limit.record_failure(by_name, by_address)
        token = await asyncio.to_thread(accounts.sign_in, self.store, name, form.get("password", ""))
        if token is None:
            error = say(detect_language(request), "sign_in_wrong")
            return HTMLResponse(sign_in_page(detect_language(request), after=after, name=name, error=error), 401)
        self.rate_limit.record_success(by_name, by_address)
        return start_session(request, token, after if is_own_path(after) else "/")

    async def sign_out(self, request: Request) -> Response:
        """End this session and no other."""
        token = request.cookies.get(COOKIE)
        if token:
            await asyncio.to_thread(self.store.tokens.revoke, token)
        response = RedirectResponse(root_path(request) + "/login", 303)
        response.delete_cookie(COOKIE, path=root_path(request) or "/", httponly=True, samesite="lax")
        return response

    async def show_first_link(self, request: Request) -> Response:
        """Show the form of the first link while it is valid."""
        token = request.query_params.get("token", "")
        if not accounts.is_first_link_valid(self.store, token):
            return notice_response(request, 410, "first_gone")
        return HTMLResponse(first_page(detect_language(request), token))

    async def use_first_link(self, request: Request) -> Response:
        """Create the first researcher and sign in. The link works once."""
        form = await read_form(request)
        token, name = form.get("token", ""), form.get("name", "")
        try:
            session = await asyncio.to_thread(
                accounts.redeem_first_link, self.store, token, name, form.get("password", "")
            )
        except Refusal as refused:
            error, rule = refused.text_in(detect_language(request)), not refused.key.startswith("password")
            return HTMLResponse(first_page(detect_language(request), token, name=name, error=error, rule=rule), 400)
        return start_session(request, session, "/train/") if session else notice_response(request, 410, "first_gone")

    async def show_invitation(self, request: Request) -> Response:
        """Show the form of an invitation while it is valid."""
        token = request.query_params.get("token", "")
        invitation = self.store.invitations.find(token)
        if invitation is None:
            return notice_response(request, 410, "invite_gone")
        return HTMLResponse(
            invite_page(
                detect_language(request),
                token,
                account_name=self.account_name(invitation),
                other=self.provider_link(request, invitation=token),
            )
        )

    async def use_invitation(self, request: Request) -> Response:
        """Create the account or set the new password, and sign in. The link works once."""
        form = await read_form(request)
        token, name = form.get("token", ""), form.get("name", "")
        try:
            joined = await asyncio.to_thread(
                management.accept_invitation, self.store, token, name, form.get("password", "")
            )
        except Refusal as refused:
            invitation = self.store.invitations.find(token)
            account_name = self.account_name(invitation) if invitation else None
            page = invite_page(
                detect_language(request),
                token,
                name=name,
                account_name=account_name,
                error=refused.text_in(detect_language(request)),
            )
            return HTMLResponse(page, 400)
        return (
            start_session(request, joined[0], HOME[joined[1].role])
            if joined
            else notice_response(request, 410, "invite_gone")
        )

    async def start_at_provider(self, request: Request) -> Response:
        """Redirect to the provider's sign-in. A cookie binds the answer to this browser."""
        query, root = request.query_params, root_path(request)
        back = f"{request.url.scheme}://{request.url.netloc}{root}/oidc/back"
        try:
            state, address = await self.client.start(
                back, after=query.get("next", ""), invitation=query.get("invitation", "")
            )
        except Refused as refused:
            return notice_response(request, 502, "oidc_failed", why=refused)
        response, secure = RedirectResponse(address, 303), request.url.scheme == "https"
        response.set_cookie(
            STATE, state, max_age=int(PENDING_SECONDS), path=root or "/", httponly=True, samesite="lax", secure=secure
        )
        return response

    async def finish_at_provider(self, request: Request) -> Response:
        """Verify the provider's answer and sign the account in."""
        query, state = request.query_params, request.cookies.get(STATE, "")
        try:
            if not state or not secrets.compare_digest(state.encode(), query.get("state", "").encode()):
                raise Refusal("oidc_elsewhere")
            claims, pending = await self.client.complete(state, query.get("code", ""))
            token, account = await asyncio.to_thread(
                sign_in_identity, self.store, self.client.provider, claims, pending.invitation
            )
        except Refused as refused:
            return notice_response(request, 403, "oidc_failed", why=refused)
        response = start_session(request, token, pending.after if is_own_path(pending.after) else HOME[account.role])
        response.delete_cookie(STATE, path=root_path(request) or "/", httponly=True, samesite="lax")
        return response

    def provider_link(self, request: Request, **query: str) -> str:
        """Return the link to the provider's sign-in, or nothing without a provider."""
        return (
            sign_in_pages.provider_link(detect_language(request), self.oidc.provider.name, urlencode(query))
            if self.oidc
            else ""
        )

    def account_name(self, invitation: Invitation) -> str | None:
        """Return the name of the account whose password the invitation sets."""
        return self.store.accounts.get(invitation.account_id).name if invitation.account_id else None


def attempt_keys(name: str, address: str) -> tuple[str, str]:
    """Return the keys by which an attempt is counted.

    Names that find the same account have one key. A key does not depend on whether the account exists, so a wait never
    reveals it.
    """
    return f"name {accounts.name_to_look_up(name).casefold()[:LONGEST_KEY]}", f"address {address_key(address)}"


def start_session(request: Request, token: str, path: str) -> Response:
    """Set the session cookie and redirect to `path`."""
    root = root_path(request)
    response = RedirectResponse(root + path, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token, max_age=accounts.SESSION_SECONDS, path=root or "/", httponly=True, samesite="lax", secure=secure
    )
    return response

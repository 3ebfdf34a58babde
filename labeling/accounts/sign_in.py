"""Signing in and out, and the first link: what the gate answers itself, before anybody is known."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data.errors import Refused
from data.store import Store
from data.tables.invitations import Invitation
from labeling.accounts import accounts, management
from labeling.accounts.oidc import PENDING_SECONDS, OidcClient, sign_in_identity
from labeling.accounts.rate_limit import RateLimit
from labeling.accounts.sign_in_pages import first_page, invite_page, provider_link, sign_in_page
from labeling.http.requests import client_address, detect_language, is_own_path, read_form, root_path
from labeling.http.responses import notice_response
from labeling.texts.translate import Refusal, say

COOKIE, STATE = "preference_loop", "preference_loop_oidc"
HOME = {"labeler": "/label/", "researcher": "/train/"}
NAME_ATTEMPTS, ADDRESS_ATTEMPTS = 5, 20
"""Failures within the rate_limit's window; many people may share one address."""

Handler = Callable[[Request], Awaitable[Response]]


class SignInRoutes:
    """The pages in front of the app; every write to the store happens off the event loop."""

    def __init__(self, store: Store, rate_limit: RateLimit, oidc: OidcClient | None = None) -> None:
        self.store = store
        self.rate_limit = rate_limit
        self.oidc = oidc

    def routes(self) -> dict[tuple[str, str], Handler]:
        """What it answers."""
        provider = {("GET", "/oidc"): self.go_to_provider, ("GET", "/oidc/back"): self.come_back} if self.oidc else {}
        return provider | {
            ("GET", "/"): self.home,
            ("GET", "/login"): self.ask_sign_in,
            ("POST", "/login"): self.sign_in,
            ("POST", "/logout"): self.sign_out,
            ("GET", "/first"): self.ask_first,
            ("POST", "/first"): self.first,
            ("GET", "/invite"): self.ask_invited,
            ("POST", "/invite"): self.invited,
        }

    async def home(self, request: Request) -> Response:
        """To the page of one's role."""
        token = request.cookies.get(COOKIE)
        account = self.store.tokens.find(token, "session") if token else None
        return RedirectResponse(root_path(request) + (HOME[account.role] if account else "/login"), 303)

    async def ask_sign_in(self, request: Request) -> Response:
        """The sign-in form."""
        after = request.query_params.get("next", "")
        return HTMLResponse(sign_in_page(detect_language(request), after=after, other=self.other(request, next=after)))

    async def sign_in(self, request: Request) -> Response:
        """Check name and password off the loop; too many failures of a name or an address have to wait."""
        form = await read_form(request)
        name, after = form.get("name", ""), form.get("next", "")
        by_name, by_address = f"name {name.casefold()[:100]}", f"address {client_address(request)}"
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
        # Counted before the slow check, or a thousand attempts at once would all come before the first failure.
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

    async def ask_first(self, request: Request) -> Response:
        """The form behind the first link, while it is good."""
        token = request.query_params.get("token", "")
        if not accounts.is_first_link_valid(self.store, token):
            return notice_response(request, 410, "first_gone")
        return HTMLResponse(first_page(detect_language(request), token))

    async def first(self, request: Request) -> Response:
        """Make the first researcher and sign in; the link is gone afterwards."""
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

    async def ask_invited(self, request: Request) -> Response:
        """The form behind an invitation, while it is good."""
        token = request.query_params.get("token", "")
        invitation = self.store.invitations.find(token)
        if invitation is None:
            return notice_response(request, 410, "invite_gone")
        return HTMLResponse(
            invite_page(
                detect_language(request),
                token,
                known=self.known(invitation),
                other=self.other(request, invitation=token),
            )
        )

    async def invited(self, request: Request) -> Response:
        """Make the account, or set the new password, and sign in; the link is gone afterwards."""
        form = await read_form(request)
        token, name = form.get("token", ""), form.get("name", "")
        try:
            joined = await asyncio.to_thread(
                management.accept_invitation, self.store, token, name, form.get("password", "")
            )
        except Refusal as refused:
            invitation = self.store.invitations.find(token)
            known = invitation and self.known(invitation)
            page = invite_page(
                detect_language(request), token, name=name, known=known, error=refused.text_in(detect_language(request))
            )
            return HTMLResponse(page, 400)
        return (
            start_session(request, joined[0], HOME[joined[1].role])
            if joined
            else notice_response(request, 410, "invite_gone")
        )

    async def go_to_provider(self, request: Request) -> Response:
        """To the provider's own sign-in; a cookie binds what comes back to this browser."""
        query, root = request.query_params, root_path(request)
        back = f"{request.url.scheme}://{request.url.netloc}{root}/oidc/back"
        try:
            state, address = await self.oidc.start(
                back, after=query.get("next", ""), invitation=query.get("invitation", "")
            )
        except Refused as refused:
            return notice_response(request, 502, "oidc_failed", why=refused)
        response, secure = RedirectResponse(address, 303), request.url.scheme == "https"
        response.set_cookie(
            STATE, state, max_age=int(PENDING_SECONDS), path=root or "/", httponly=True, samesite="lax", secure=secure
        )
        return response

    async def come_back(self, request: Request) -> Response:
        """From the provider: check what it says, then let the account in."""
        query, state = request.query_params, request.cookies.get(STATE, "")
        try:
            if not state or not secrets.compare_digest(state.encode(), query.get("state", "").encode()):
                raise Refusal("oidc_elsewhere")
            claims, pending = await self.oidc.complete(state, query.get("code", ""))
            token, account = await asyncio.to_thread(
                sign_in_identity, self.store, self.oidc.provider, claims, pending.invitation
            )
        except Refused as refused:
            return notice_response(request, 403, "oidc_failed", why=refused)
        response = start_session(request, token, pending.after if is_own_path(pending.after) else HOME[account.role])
        response.delete_cookie(STATE, path=root_path(request) or "/", httponly=True, samesite="lax")
        return response

    def other(self, request: Request, **query: str) -> str:
        """The link to the provider's sign-in, where there is one."""
        return provider_link(detect_language(request), self.oidc.provider.name, urlencode(query)) if self.oidc else ""

    def known(self, invitation: Invitation) -> str | None:
        """The name of the account whose password the link sets."""
        return self.store.accounts.get(invitation.account_id).name if invitation.account_id else None


def start_session(request: Request, token: str, path: str) -> Response:
    """Set the session cookie and go to `path`."""
    root = root_path(request)
    response = RedirectResponse(root + path, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token, max_age=accounts.SESSION_SECONDS, path=root or "/", httponly=True, samesite="lax", secure=secure
    )
    return response

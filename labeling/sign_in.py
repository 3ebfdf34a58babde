"""Signing in and out, and the first link: what the gate answers itself, before anybody is known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data.invitations import Invitation
from data.store import Store
from labeling import accounts, people
from labeling.answers import note
from labeling.doors import first_page, invite_page, sign_in_page
from labeling.requests import address, is_own_path, root_of, small_form, spoken
from labeling.texts import Refusal, say
from labeling.throttle import Throttle

COOKIE = "preference_loop"
HOME = {"labeler": "/label/", "researcher": "/train/"}
NAME_ATTEMPTS, ADDRESS_ATTEMPTS = 5, 20
"""Failures within the throttle's window; many people may share one address."""

Handler = Callable[[Request], Awaitable[Response]]


class SignIn:
    """The pages in front of the app; every write to the store happens off the event loop."""

    def __init__(self, store: Store, throttle: Throttle) -> None:
        self.store = store
        self.throttle = throttle

    def routes(self) -> dict[tuple[str, str], Handler]:
        """What it answers."""
        return {
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
        return RedirectResponse(root_of(request) + (HOME[account.role] if account else "/login"), 303)

    async def ask_sign_in(self, request: Request) -> Response:
        """The sign-in form."""
        return HTMLResponse(sign_in_page(spoken(request), after=request.query_params.get("next", "")))

    async def sign_in(self, request: Request) -> Response:
        """Check name and password off the loop; too many failures of a name or an address have to wait."""
        form = await small_form(request)
        name, after = form.get("name", ""), form.get("next", "")
        by_name, by_address = f"name {name.casefold()[:100]}", f"address {address(request)}"
        wait = max(self.throttle.wait(by_name, NAME_ATTEMPTS), self.throttle.wait(by_address, ADDRESS_ATTEMPTS))
        if wait:
            error = say(spoken(request), "sign_in_often", s=wait)
            return HTMLResponse(sign_in_page(spoken(request), after=after, name=name, error=error), 429, {"retry-after": str(wait)})
        # Counted before the slow check, or a thousand attempts at once would all come before the first failure.
        self.throttle.failed(by_name, by_address)
        token = await asyncio.to_thread(accounts.sign_in, self.store, name, form.get("password", ""))
        if token is None:
            error = say(spoken(request), "sign_in_wrong")
            return HTMLResponse(sign_in_page(spoken(request), after=after, name=name, error=error), 401)
        self.throttle.succeeded(by_name, by_address)
        return enter(request, token, after if is_own_path(after) else "/")

    async def sign_out(self, request: Request) -> Response:
        """End this session and no other."""
        token = request.cookies.get(COOKIE)
        if token:
            await asyncio.to_thread(self.store.tokens.revoke, token)
        response = RedirectResponse(root_of(request) + "/login", 303)
        response.delete_cookie(COOKIE, path=root_of(request) or "/", httponly=True, samesite="lax")
        return response

    async def ask_first(self, request: Request) -> Response:
        """The form behind the first link, while it is good."""
        token = request.query_params.get("token", "")
        if not accounts.first_link_is_good(self.store, token):
            return note(request, 410, "first_gone")
        return HTMLResponse(first_page(spoken(request), token))

    async def first(self, request: Request) -> Response:
        """Make the first researcher and sign in; the link is gone afterwards."""
        form = await small_form(request)
        token, name = form.get("token", ""), form.get("name", "")
        try:
            session = await asyncio.to_thread(accounts.use_first_link, self.store, token, name, form.get("password", ""))
        except Refusal as refused:
            error, rule = refused.told(spoken(request)), not refused.key.startswith("password")
            return HTMLResponse(first_page(spoken(request), token, name=name, error=error, rule=rule), 400)
        return enter(request, session, "/train/") if session else note(request, 410, "first_gone")

    async def ask_invited(self, request: Request) -> Response:
        """The form behind an invitation, while it is good."""
        token = request.query_params.get("token", "")
        invitation = self.store.invitations.find(token)
        if invitation is None:
            return note(request, 410, "invite_gone")
        return HTMLResponse(invite_page(spoken(request), token, known=self.known(invitation)))

    async def invited(self, request: Request) -> Response:
        """Make the account, or set the new password, and sign in; the link is gone afterwards."""
        form = await small_form(request)
        token, name = form.get("token", ""), form.get("name", "")
        try:
            joined = await asyncio.to_thread(people.join, self.store, token, name, form.get("password", ""))
        except Refusal as refused:
            invitation = self.store.invitations.find(token)
            known, rule = invitation and self.known(invitation), not refused.key.startswith("password")
            page = invite_page(spoken(request), token, name=name, known=known, error=refused.told(spoken(request)), rule=rule)
            return HTMLResponse(page, 400)
        return enter(request, joined[0], HOME[joined[1].role]) if joined else note(request, 410, "invite_gone")

    def known(self, invitation: Invitation) -> str | None:
        """The name of the account whose password the link sets."""
        return self.store.accounts.get(invitation.account_id).name if invitation.account_id else None


def enter(request: Request, token: str, path: str) -> Response:
    """Set the session cookie and go to `path`."""
    root = root_of(request)
    response = RedirectResponse(root + path, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=accounts.SESSION_SECONDS, path=root or "/", httponly=True, samesite="lax", secure=secure)
    return response

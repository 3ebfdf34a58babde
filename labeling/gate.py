"""The gate: one pure ASGI layer around the whole app, through which every request passes.

It knows who is asking (session cookie, or Bearer token for the HTTP API), which role may enter which prefix, and
which of the page framework's own routes stay closed. Who got in stands in `scope["state"]["user"]`. Prefixes that
are not listed are closed, so that a new route is shut until somebody opens it here.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import BadInput
from data.records import Account
from data.store import Store
from labeling import accounts
from labeling.doors import first_page, sign_in_page
from labeling.requests import address, is_foreign, is_own_path, note, small_form, spoken
from labeling.texts import Refusal, say
from labeling.throttle import Throttle

COOKIE = "preference_loop"
ROLES = {"/label": {"labeler", "researcher"}, "/train": {"researcher"}, "/api/v1": {"labeler", "researcher"}}
HOME = {"labeler": "/label/", "researcher": "/train/"}
CLOSED = ("upload", "upload_progress", "token", "deep_link", "stream", "proxy=", "reverse_proxy", "run-history")
FILES = ("file=", "file/")
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'self'; object-src 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Gate:
    """Wraps `app`. `user(request)` of this module tells the app behind it who is asking."""

    def __init__(self, app: ASGIApp, store: Store, throttle: Throttle | None = None) -> None:
        self.app = app
        self.store = store
        self.throttle = throttle or Throttle()
        self.own = {
            ("GET", "/healthz"): self.health,
            ("GET", "/favicon.ico"): self.no_icon,
            ("GET", "/"): self.home,
            ("GET", "/login"): self.ask_sign_in,
            ("POST", "/login"): self.sign_in,
            ("POST", "/logout"): self.sign_out,
            ("GET", "/first"): self.ask_first,
            ("POST", "/first"): self.first,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = await self.decide_or_explain(Request(scope, receive))
            await (answer or self.app)(scope, receive, _with_headers(send))

    async def decide_or_explain(self, request: Request) -> Response | None:
        """`decide`; where the store cannot be read or written (a full disk) the page says why and what to do."""
        try:
            return await self.decide(request)
        except BadInput as problem:
            return note(request, 507, "not_kept", why=f"{problem.error}. {problem.remedy}")

    async def decide(self, request: Request) -> Response | None:
        """The gate's own answer, or None where the request may pass."""
        if is_foreign(request.method, request.headers):
            return note(request, 403, "foreign")
        own = self.own.get(("GET" if request.method == "HEAD" else request.method, request.url.path))
        if own:
            return await own(request)
        return self.admit(request)

    def admit(self, request: Request) -> Response | None:
        """None after writing the account to the request's state, where its role may enter this path."""
        path = request.url.path
        prefix = next((known for known in ROLES if path == known or path.startswith(known + "/")), None)
        if prefix is None:
            return note(request, 404, "not_found")
        account = self.bearer(request) if prefix == "/api/v1" else self.session(request)
        request.scope.setdefault("state", {})["user"] = account
        if account is None:
            return self.turn_away(request, prefix)
        if account.role not in ROLES[prefix] or is_closed(path, account.role):
            return note(request, 403, "forbidden")
        return None

    def turn_away(self, request: Request, prefix: str) -> Response:
        """A page request goes to the sign-in and comes back afterwards; everything else gets 401."""
        if prefix != "/api/v1" and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
        error = {
            "error": "sign in first",
            "file": None,
            "line": None,
            "field": None,
            "remedy": "Send a session cookie or a Bearer token.",
        }
        return JSONResponse(error, 401, {"www-authenticate": "Bearer"})

    def session(self, request: Request) -> Account | None:
        """The open account whose session the cookie carries."""
        return self.holder(request.cookies.get(COOKIE), "session")

    def bearer(self, request: Request) -> Account | None:
        """The open account whose API token the Authorization header carries."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.holder(token.strip(), "api") if scheme.lower() == "bearer" else None

    def holder(self, token: str | None, kind: str) -> Account | None:
        """The open account a token of this kind belongs to."""
        account = self.store.tokens.find(token, kind) if token else None
        return account if account and not account.disabled else None

    async def health(self, request: Request) -> Response:
        """Open to everybody: says only that the server answers."""
        return JSONResponse({"status": "ok"})

    async def no_icon(self, request: Request) -> Response:
        """Browsers ask for one unasked."""
        return Response(status_code=204)

    async def home(self, request: Request) -> Response:
        """To the page of one's role."""
        account = self.session(request)
        return RedirectResponse(HOME[account.role] if account else "/login", 303)

    async def ask_sign_in(self, request: Request) -> Response:
        """The sign-in form."""
        return HTMLResponse(sign_in_page(spoken(request), after=request.query_params.get("next", "")))

    async def sign_in(self, request: Request) -> Response:
        """Check name and password off the loop; too many failures of a name or an address have to wait."""
        form = await small_form(request)
        name, after = form.get("name", ""), form.get("next", "")
        keys = (f"name {name.casefold()} {address(request)}", f"address {address(request)}")
        wait = max(self.throttle.wait(key) for key in keys)
        if wait:
            error = say(spoken(request), "sign_in_often", s=wait)
            return HTMLResponse(
                sign_in_page(spoken(request), after=after, name=name, error=error), 429, {"retry-after": str(wait)}
            )
        token = await asyncio.to_thread(accounts.sign_in, self.store, name, form.get("password", ""))
        for key in keys:
            self.throttle.succeeded(key) if token else self.throttle.failed(key)
        if token is None:
            error = say(spoken(request), "sign_in_wrong")
            return HTMLResponse(sign_in_page(spoken(request), after=after, name=name, error=error), 401)
        return enter(request, token, after if is_own_path(after) else "/")

    async def sign_out(self, request: Request) -> Response:
        """End this session and no other."""
        token = request.cookies.get(COOKIE)
        if token:
            self.store.tokens.revoke(token)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
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


def user(request: Request) -> Account | None:
    """The account that the gate let in with this request."""
    return getattr(request.state, "user", None)


def is_closed(path: str, role: str) -> bool:
    """Routes of the page framework that no page needs; files are for researchers' downloads only."""
    route = path.partition("/gradio_api/")[2] or path.strip("/").partition("/")[2]
    closed = CLOSED if role == "researcher" and path.startswith("/train/") else CLOSED + FILES
    return route.startswith(closed) or route in ("login", "logout") or route.startswith("monitoring")


def enter(request: Request, token: str, path: str) -> Response:
    """Set the session cookie and go to `path`."""
    response = RedirectResponse(path, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=accounts.SESSION_SECONDS, path="/", httponly=True, samesite="lax", secure=secure)
    return response


def _with_headers(send: Send) -> Send:
    """Adds the safety headers and drops any permission for other origins that a layer behind the gate gave."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]
        await send(message)

    return sending

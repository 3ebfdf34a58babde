# SPDX-License-Identifier: Apache-2.0
"""The gate: one ASGI layer around the whole app. Every request passes through it.

It identifies the caller (session cookie, or Bearer token for the HTTP API) and stores the account in
`scope["state"]["user"]`. `ROLES` says which role may enter which prefix; every other prefix is closed, and so is every
route of the page framework that no page uses. It counts the bytes of every body. `docs/security.md` has the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import BadInput, Refused
from data.records import Account
from data.store import Store
from data.tables.audit import CALLER_ADDRESS
from data.version import __version__
from data.watched_loop import WatchedLoop
from labeling.accounts.oidc import OidcClient
from labeling.accounts.presence import Presence
from labeling.accounts.rate_limit import RateLimit
from labeling.accounts.sign_in import COOKIE, Handler, SignInRoutes
from labeling.http.bodies import count_body, limit_of, too_long
from labeling.http.requests import client_address, is_cross_site, path_below_root, root_path
from labeling.http.responses import disk_full_response, http_error_response, notice_response, problem_response

RESEARCHER = frozenset({"researcher"})
EVERYBODY = frozenset({"labeler", "researcher"})
ROLES = {
    "/label": EVERYBODY,
    "/train": RESEARCHER,
    "/api/v1/import": RESEARCHER,
    "/api/v1/export": RESEARCHER,
    "/api/v1": EVERYBODY,
    "/metrics": RESEARCHER,
}
"""The roles that may enter below a prefix; the first prefix that matches decides."""
PAGES = ("/label", "/train")
JOBS = "/api/v1/jobs"
"""The prefix for other machines that work on runs. No account enters: they have tokens of their own."""
CLOSED = ("login", "logout", "monitoring", "openapi.json", "robots.txt", "pwa_icon", "svelte")
"""The framework's other routes that no page needs."""
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'self'; object-src 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Gate:
    """The layer around `app`.

    `used`: for a page's prefix, the framework's calls that it needs, such as `run/predict`. All others are closed.
    `loops`: the server's loops that `/healthz` watches.
    """

    def __init__(
        self,
        app: ASGIApp,
        store: Store,
        rate_limit: RateLimit | None = None,
        *,
        used: Mapping[str, tuple[str, ...]] | None = None,
        presence: Presence | None = None,
        oidc: OidcClient | None = None,
        loops: Sequence[WatchedLoop] = (),
    ) -> None:
        self.app = app
        self.store = store
        self.used = used or {}
        self.loops = loops
        self.presence = presence or Presence()
        self.own_routes: dict[tuple[str, str], Handler] = {
            ("GET", "/healthz"): self.health,
            ("GET", "/favicon.ico"): self.icon,
            **SignInRoutes(store, rate_limit or RateLimit(), oidc).routes(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            CALLER_ADDRESS.set(client_address(Request(scope)))
            await self.serve(scope, receive, _with_headers(send))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request, or pass it on with a counted body. A body over its limit gets 413."""
        request = Request(scope)
        limit, started = limit_of(path_below_root(request)), False

        async def send_noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            if (length := request.headers.get("content-length", "")).isdecimal() and int(length[:20]) > limit:
                raise too_long(limit)
            counted = count_body(receive, limit)
            answer = await self.decide_or_report(Request(scope, counted))
            await (answer or self.app)(scope, counted, send_noticed)
        except HTTPException as problem:
            if started:
                raise
            await http_error_response(problem, request)(scope, receive, send)
        except OSError as problem:
            if started:
                raise
            await disk_full_response(request, problem)(scope, receive, send)
        except ClientDisconnect:  # the client left before its request was complete: nobody reads an answer
            return

    async def decide_or_report(self, request: Request) -> Response | None:
        """Run `decide`. If the store is busy or cannot be written, the answer says why and what to do."""
        try:
            return await self.decide(request)
        except HTTPException as problem:
            return http_error_response(problem, request)
        except BadInput as problem:
            return problem_response(request, problem)

    async def decide(self, request: Request) -> Response | None:
        """Return the gate's own answer, or None if the request may pass."""
        if is_cross_site(request.method, request.headers):
            return notice_response(request, 403, "foreign")
        handler = self.own_routes.get(("GET" if request.method == "HEAD" else request.method, path_below_root(request)))
        if handler:
            return await handler(request)
        return self.admit(request)

    def admit(self, request: Request) -> Response | None:
        """Store the account in the request's state and return None if its role may enter this path."""
        path = path_below_root(request)
        if path == JOBS or path.startswith(f"{JOBS}/"):
            return self.admit_worker(request)
        prefix = next((prefix for prefix in ROLES if path == prefix or path.startswith(prefix + "/")), None)
        if prefix is None:
            return notice_response(request, 404, "not_found")
        account = self.session(request) if prefix in PAGES else self.bearer(request)
        request.scope.setdefault("state", {})["user"] = account
        if account is None:
            return self.ask_to_sign_in(request, prefix)
        if account.role not in ROLES[prefix] or self.is_closed(prefix, path):
            return notice_response(request, 403, "forbidden")
        self.presence.record(account.id)
        return None

    def admit_worker(self, request: Request) -> Response | None:
        """Store what the token of another machine may do in the request's state; return 401 for any other token."""
        token = bearer_token(request)
        worker = self.store.worker_tokens.find(token) if token else None
        request.scope.setdefault("state", {}).update(user=None, worker=worker)
        return None if worker else self.ask_to_sign_in(request, JOBS)

    def is_closed(self, prefix: str, path: str) -> bool:
        """Return True for a route of the framework that this page does not use."""
        route = path.removeprefix(prefix).strip("/")
        if route.startswith("gradio_api"):
            call = route.partition("/")[2]
            return not any(
                call == open_call or (open_call.endswith(("/", "=")) and call.startswith(open_call))
                for open_call in self.used.get(prefix, ())
            )
        return prefix in PAGES and route.partition("/")[0] in CLOSED

    def ask_to_sign_in(self, request: Request, prefix: str) -> Response:
        """Send a page request to the sign-in, and back afterwards. Everything else gets 401."""
        if prefix in PAGES and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{root_path(request)}/login?next={quote(path_below_root(request))}", 303)
        if prefix not in PAGES and bearer_token(request):
            command = "runs worker-token NAME" if prefix == JOBS else "account token NAME"
            problem = Refused("the Bearer token is not valid", f"Create a new one: preference-loop {command}")
            return JSONResponse(problem.as_json(), 401, {"www-authenticate": 'Bearer error="invalid_token"'})
        problem = Refused("sign in first", "Send a session cookie or a Bearer token.")
        return JSONResponse(problem.as_json(), 401, {"www-authenticate": "Bearer"})

    def session(self, request: Request) -> Account | None:
        """Return the open account of the session cookie."""
        return self.find_holder(request.cookies.get(COOKIE), "session")

    def bearer(self, request: Request) -> Account | None:
        """Return the open account of the API token in the Authorization header."""
        return self.find_holder(bearer_token(request), "api")

    def find_holder(self, token: str | None, kind: str) -> Account | None:
        """Return the open account that holds a token of this kind."""
        return self.store.tokens.find(token, kind) if token else None

    async def health(self, request: Request) -> Response:
        """Return the state and the version of the server, to everybody; 503 with the loops that do not work."""
        troubles = {loop.name: trouble for loop in self.loops if (trouble := loop.trouble())}
        if not troubles:
            return JSONResponse({"status": "ok", "version": __version__})
        return JSONResponse({"status": "failing", "version": __version__, "loops": troubles}, 503)

    async def icon(self, request: Request) -> Response:
        """Return no content: the app has no icon file."""
        return Response(status_code=204)


def _with_headers(send: Send) -> Send:
    """Add the security headers and remove any permission for other origins that an inner layer gave."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]
        await send(message)

    return sending


def bearer_token(request: Request) -> str:
    """Return the Bearer token of the Authorization header (RFC 6750), or "" if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

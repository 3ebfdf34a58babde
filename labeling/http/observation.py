# SPDX-License-Identifier: Apache-2.0
"""Observation of requests: the layer between proxy headers and gate that reports each answered request.

A report names the route's template, never the path that was sent: paths may hold names and tokens.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from starlette.routing import BaseRoute, Mount, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNMATCHED = "unmatched"
CLIENT_LEFT = 499
"""Status of a request whose client closed the connection before the answer began (nginx's number)."""


class AnsweredRequest(NamedTuple):
    """One request: method, template of its route, status, seconds to the end of the answer, account if signed in."""

    method: str
    path: str
    status: int
    seconds: float
    account_id: int | None


Observer = Callable[[AnsweredRequest], None]


class ObservedRequests:
    """The layer around `app` that calls every observer after each request. An observer must not block."""

    def __init__(self, app: ASGIApp, templates: PathTemplates, observers: Sequence[Observer]) -> None:
        self.app = app
        self.templates = templates
        self.observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and report it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), CLIENT_LEFT

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        try:
            await self.app(scope, receive, watch)
        except Exception:
            status = 500
            raise
        finally:
            account = scope.get("state", {}).get("user")
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            seconds = time.perf_counter() - began
            answered = AnsweredRequest(
                method, self.templates.find(path), status, seconds, account.id if account else None
            )
            for observe in self.observers:
                observe(answered)


class PathTemplates:
    """The templates of all routes, such as `/train/exports/{name}`."""

    def __init__(self, paths: Iterable[str]) -> None:
        ordered = list(dict.fromkeys(paths))
        self.fixed = {path for path in ordered if "{" not in path}
        self.patterns: list[tuple[re.Pattern[str], str]] = [
            (compile_path(path)[0], path) for path in ordered if "{" in path
        ]

    def find(self, path: str) -> str:
        """Return the template of a path, or UNMATCHED."""
        if path in self.fixed:
            return path
        return next((template for pattern, template in self.patterns if pattern.match(path)), UNMATCHED)


def list_paths(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Yield the template of every route, of mounted apps and of included routers too."""
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            included = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from list_paths(inner, prefix + (route.path if isinstance(route, Mount) else included))
        else:
            yield prefix + cast("str", getattr(route, "path", ""))

# SPDX-License-Identifier: Apache-2.0
"""Proxy headers: the outermost layer. It decides the client, scheme, Host and path of a request for all other layers.

It removes forwarded headers, unless our own proxy sets them; then the last value of each replaces what the connection
shows. It refuses an unknown Host, so that a web page elsewhere cannot reach a server on this machine under a name of
its own (DNS rebinding). Below `--root-path` every path begins with it, whether the proxy strips it or not.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from data.errors import BadInput
from labeling.http.responses import notice_response
from labeling.http.socket import is_loopback

FORWARDED = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-server",
)
HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
OWN_PREFIXES = ("/label", "/train", "/api", "/login", "/logout", "/first", "/invite", "/oidc", "/healthz", "/metrics")


class ServedAddress(NamedTuple):
    """The address of the app: `root_path` stands in front of every path. `behind_proxy`: a proxy's headers count.

    `loopback_only`: only this machine can connect, so the Host must be a loopback name.
    """

    root_path: str = ""
    behind_proxy: bool = False
    loopback_only: bool = False


class ProxyHeaders:
    """The layer around the gate."""

    def __init__(self, app: ASGIApp, address: ServedAddress = ServedAddress()) -> None:  # noqa: B008 (a constant)
        self.app = app
        self.root_path, self.behind_proxy, self.loopback_only = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its true client, scheme, Host and path."""
        if scope["type"] in ("http", "websocket"):
            scope = {
                **trust_proxy(scope, behind_proxy=self.behind_proxy),
                **prefix_path(scope["path"], scope.get("raw_path"), self.root_path),
            }
            if scope["type"] == "http" and not self.accepts_host(Headers(scope=scope).get("host", "")):
                await notice_response(Request(scope), 421, "unknown_host")(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def accepts_host(self, host: str) -> bool:
        """Return True if this server accepts that Host."""
        match = HOST.fullmatch(host)
        return match is not None and (not self.loopback_only or is_loopback(match["name"]))


def trust_proxy(scope: Scope, *, behind_proxy: bool) -> Scope:
    """Return a copy of the scope without forwarded headers.

    `behind_proxy`: the last value of each gives client, scheme and Host.
    """
    scope = dict(scope, headers=list(scope["headers"]))
    given, headers = Headers(scope=scope), MutableHeaders(scope=scope)
    if behind_proxy:
        client, scheme, host = (_last(given, f"x-forwarded-{name}") for name in ("for", "proto", "host"))
        if client:
            scope["client"] = (client, 0)
        if scheme in ("http", "https"):
            scope["scheme"] = scheme
        if host:
            headers["host"] = host
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
    return scope


def prefix_path(path: str, raw: bytes | None, root: str) -> dict:
    """Return the path with the root in front, whether the proxy strips the root or not."""
    if not root or path == root or path.startswith(root + "/"):
        return {"root_path": root}
    return {"root_path": root, "path": root + path, "raw_path": None if raw is None else root.encode() + raw}


def check_root_path(root: str) -> str:
    """Return the root path: empty, or `/name` without a slash at the end. Raises BadInput."""
    root = root.rstrip("/")
    if root and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", root):
        raise BadInput(
            f"{root!r} is not a path such as /preferences",
            "Begin with a slash; use letters, digits and '-'.",
            field="root_path",
        )
    if root.startswith(OWN_PREFIXES):
        raise BadInput(
            f"the root path {root!r} begins like a page of the app itself", "Choose another name.", field="root_path"
        )
    return root


def _last(headers: Headers, name: str) -> str:
    """Return the value that the nearest proxy added. Anybody may have sent those before it."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()

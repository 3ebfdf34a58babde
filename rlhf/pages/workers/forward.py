# SPDX-License-Identifier: Apache-2.0
"""Pass requests on to the server's own process, over a socket that only this user can open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

BETWEEN_TWO = (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade")
"""Headers about one connection, which are not passed on (RFC 9110, section 7.6.1)."""
KEPT = 64
"""Connections to the server's process that stay open."""


class Forward:
    """An ASGI app whose answers are those of the server behind a Unix socket, byte by byte as they come.

    The server trusts the forwarded headers: they hold the client, scheme and Host that this process sees.
    """

    def __init__(self, socket: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT)
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket, limits=limits), timeout=None, trust_env=False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. If the server's process does not answer, the client may try again: 503."""
        request, started = self._request(scope, receive), False
        try:
            response = await self.client.send(request, stream=True)
            try:
                kept = [(name.lower(), value) for name, value in response.headers.raw]
                headers = [(name, value) for name, value in kept if name not in BETWEEN_TWO]
                await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
                started = True
                async for part in response.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()
        except httpx.TransportError:
            if started:
                raise
            again = PlainTextResponse("the server restarts; try again", 503, {"retry-after": "2"})
            await again(scope, receive, send)

    def _request(self, scope: Scope, receive: Receive) -> httpx.Request:
        target = scope["raw_path"] or scope["path"].encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        given = [(name, value) for name, value in scope["headers"] if name not in BETWEEN_TWO]
        client = scope["client"][0] if scope.get("client") else ""
        told = {"x-forwarded-for": client, "x-forwarded-proto": scope["scheme"]}
        told["x-forwarded-host"] = Request(scope).headers.get("host", "")
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        return httpx.Request(
            scope["method"],
            httpx.URL("http://server").copy_with(raw_path=target),
            headers=[*given, *((name.encode(), value.encode("latin-1")) for name, value in told.items())],
            content=_body(receive) if has_body else None,
        )


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]

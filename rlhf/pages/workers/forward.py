# SPDX-License-Identifier: Apache-2.0
"""Pass requests on to the server's own process, over a socket that only this user can open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

HOP_BY_HOP = (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade")
"""Headers about one connection, which are not passed on (RFC 9110, section 7.6.1)."""
OF_SERVER = (b"date", b"server")
"""Headers that this process adds itself."""
IDLE_CONNECTIONS = 64
"""Connections to the server's process that stay open."""


class Forward:
    """An ASGI app whose answers are those of the server behind a Unix socket, byte by byte as they come.

    The server trusts the forwarded headers: they hold the client, scheme and Host that this process sees.
    """

    def __init__(self, socket: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS)
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket, limits=limits), timeout=None, trust_env=False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. If the server's process does not answer, the client may try again: 503."""
        started = False
        try:
            request = self._request(scope, receive)
            response = await self.client.send(request, stream=True)
            try:
                headers = _response_headers(response)
                await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
                started = True
                async for part in response.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()
        except httpx.InvalidURL:
            await PlainTextResponse("not an address of this app\n", 400)(scope, receive, send)
        except httpx.TransportError:
            if started:
                raise
            again = PlainTextResponse("the server did not answer; try again\n", 503, {"retry-after": "2"})
            await again(scope, receive, send)

    def _request(self, scope: Scope, receive: Receive) -> httpx.Request:
        target = scope["raw_path"] or scope["path"].encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        given = [(name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP]
        client = scope["client"][0] if scope.get("client") else ""
        forwarded = {"x-forwarded-for": client, "x-forwarded-proto": scope["scheme"]}
        forwarded["x-forwarded-host"] = Request(scope).headers.get("host", "")
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        return httpx.Request(
            scope["method"],
            httpx.URL("http://server").copy_with(raw_path=target),
            headers=[*given, *((name.encode(), value.encode("latin-1")) for name, value in forwarded.items())],
            content=_body(receive) if has_body else None,
        )


def _response_headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """Return the headers to pass on; `connection: close` is one of them, as the rest of a refused body is not read."""
    left_out = {*HOP_BY_HOP, *OF_SERVER}
    headers = [(name.lower(), value) for name, value in response.headers.raw]
    return [pair for pair in headers if pair[0] not in left_out or pair == (b"connection", b"close")]


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]

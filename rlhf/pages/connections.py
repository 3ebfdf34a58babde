# SPDX-License-Identifier: Apache-2.0
"""Connections of the server: how many are open, and how long a request may take to arrive.

Invariant: a connection that sends no whole request is closed, so strangers cannot use up the file descriptors.
Responses have no deadline.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import uvicorn
from h11 import IDLE, SEND_BODY
from uvicorn.protocols.http.h11_impl import H11Protocol

from data.logs import LOG, limit_repeats

MOST_CONNECTIONS, FEWEST_CONNECTIONS = 1_000, 16
RESERVED_DESCRIPTORS = 100
"""File descriptors for the store, its threads and files."""
WANTED_DESCRIPTORS = 4_096
"""File descriptors that the server allows itself, if its hard limit does."""
REFUSALS = 50
"""Connections above the limit that may read the refusal; further ones are closed at once."""
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 2\r\ncontent-length: 21\r\n"
    b"content-type: text/plain\r\n\r\ntoo many connections\n"
)


class Limits(NamedTuple):
    """Limits of a server's connections.

    A request's head has `seconds` to arrive. Its body must bring `rate` bytes per second in every `seconds`, or end
    (as Apache's mod_reqtimeout demands). A large file on a slow line therefore arrives.
    """

    connections: int = MOST_CONNECTIONS
    seconds: float = 20.0
    rate: int = 500


def raise_descriptor_limit() -> int:
    """Raise this process's limit of file descriptors towards `WANTED_DESCRIPTORS`, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def count_connections(descriptors: int) -> int:
    """Return the connections that a server with so many file descriptors may hold."""
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, descriptors - RESERVED_DESCRIPTORS))


class LimitedProtocol(H11Protocol):
    """An HTTP/1.1 connection that knows how long it has waited for the rest of a request."""

    limits: Limits
    refused = False
    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection. Above the limit, close the one that waits longest, or refuse this one."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._restart()
        surplus = len(self.connections) - self.limits.connections
        if surplus > 0 and not close_waiting(self.connections, max(surplus, self.limits.connections // 20), self):
            LOG.warning("all %d connections are busy; new ones get 503", self.limits.connections)
            self.refused = True
            if surplus > REFUSALS:
                self.transport.abort()
            else:
                self.transport.write(FULL)
                self.transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Pass data on and count it. A refused connection's is dropped."""
        self.received += len(data)
        if not self.refused:
            super().data_received(data)

    @property
    def phase(self) -> object:
        """Return what the connection waits for: IDLE: a head, SEND_BODY: the rest of a body, None: nothing.

        A connection also waits for nothing while the server delays reading, or the client reads a response.
        """
        if self.flow.read_paused or (self.transport.get_write_buffer_size() and not self.refused):
            return None
        return self.conn.their_state if self.conn.their_state in (IDLE, SEND_BODY) else None

    def close_if_late(self, now: float) -> None:
        """Close the connection if the request did not arrive in time; a response is then impossible, so 408 is it."""
        if self.transport.is_closing():
            return
        if self.refused or (self.phase, id(self.cycle)) != self.waits_for or self.phase is None:
            if self.refused and now - self.since >= 1:
                self.transport.abort()
            elif not self.refused:
                self._restart()
            return
        if now - self.since < self.limits.seconds:
            return
        answered = self.cycle is not None and self.cycle.response_complete
        enough = self.received - self.received_before >= self.limits.rate * self.limits.seconds
        if self.phase is SEND_BODY and enough and not answered:
            self._restart()
        else:
            self.close_late()

    def close_late(self) -> None:
        """Close the connection, with status 408 if a request has begun and has no response yet."""
        begun = self.phase is SEND_BODY or self.received > self.received_before
        if begun and (self.cycle is None or self.cycle.response_complete or not self.cycle.response_started):
            self.transport.write(TOO_SLOW)
        self.transport.close()

    def _restart(self) -> None:
        """Begin a new period of waiting."""
        self.since, self.received_before = time.monotonic(), self.received
        self.waits_for = (self.phase, id(self.cycle))


def close_waiting(connections: set[Any], count: int, new: LimitedProtocol | None = None) -> int:
    """Close up to `count` connections that wait longest for a request, except `new`; return how many."""
    waiting = [
        connection
        for connection in connections
        if connection is not new
        and not connection.refused
        and connection.phase is IDLE
        and not connection.transport.is_closing()
    ]
    longest = sorted(waiting, key=lambda connection: connection.since)[:count]
    for connection in longest:
        connections.discard(connection)  # now: the transport reports its end only after further ones are accepted
        connection.transport.abort()
    return len(longest)


class LimitedServer(uvicorn.Server):
    """A server with limits, which reports its address once it answers requests."""

    def __init__(self, site: Callable[..., Any], limits: Limits, ready: Callable[[], object] = bool) -> None:
        protocol = type("Protocol", (LimitedProtocol,), {"limits": limits})
        super().__init__(
            uvicorn.Config(
                site,
                http=protocol,
                ws="none",
                log_config=None,
                log_level="warning",
                lifespan="on",
                timeout_graceful_shutdown=2,
                workers=1,
                proxy_headers=False,
            )
        )
        limit_repeats("uvicorn.error", "asyncio")
        self.limits, self.ready = limits, ready
        self.checked_at = self.made_room_at = 0.0

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Listen, then call `ready`."""
        asyncio.get_running_loop().set_exception_handler(self.handle_problem)
        await super().startup(sockets)
        self.ready()

    async def on_tick(self, counter: int) -> bool:
        """Close late connections about once a second; uvicorn calls this ten times a second."""
        now = time.monotonic()
        if now - self.checked_at >= min(1.0, self.limits.seconds / 4):
            self.checked_at = now
            for connection in list(self.server_state.connections):
                cast("LimitedProtocol", connection).close_if_late(now)
        return await super().on_tick(counter)

    def handle_problem(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a problem of the event loop. Without file descriptors, close connections that wait for a request.

        asyncio then tries to accept hundreds of times a second.
        """
        problem = context.get("exception")
        if not (isinstance(problem, OSError) and problem.errno in NO_DESCRIPTORS):
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        if now - self.made_room_at >= 1:
            self.made_room_at = now
            closed = close_waiting(self.server_state.connections, REFUSALS)
            LOG.warning("no file descriptor is free; closed %d connections without a request", closed)


def log_thread_problem(args: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread, instead of printing it each time."""
    if args.exc_value is not None and args.exc_type is not SystemExit:
        LOG.error("a thread ended with an exception", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

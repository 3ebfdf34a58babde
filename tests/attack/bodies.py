# SPDX-License-Identifier: Apache-2.0
"""Thousands of hostile bodies, forms and queries over every route that reads one: no 500, no log flood, bounded memory.

Callers are nobody, a labeler and a researcher in turn.
"""

from __future__ import annotations

import http.client
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.attack import MOST_MB, Report, peak_mb
from tests.attack.home import Caller, callers, credentials, make_home
from tests.attack.hostile import Hostile, hostile_request
from tests.attack.server import running

FINE = (200, 303, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429, 431)
"""Statuses that a hostile request may get. 0 stands for a connection that the server closed without an answer."""


def main(home: Path, count: int = 10_000, *, pages: bool = True, seed: int = 0) -> Report:
    """Send that many requests. `pages`: to the whole app, with the routes of the page framework."""
    with long_numbers():
        return _attack(home, count, pages, seed)


@contextmanager
def long_numbers() -> Iterator[None]:
    """Let this process write numbers of any length. The readers of the project rely on the usual limit."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(usual)


def _attack(home: Path, count: int, pages: bool, seed: int) -> Report:
    store, generator = make_home(home), random.Random(seed)
    people = callers(store)
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    with running(home, whole=pages) as server:
        for number in range(count):
            caller, request = generator.choice(people), hostile_request(generator, pages=pages)
            status = send(server.port, signed_out(caller, request), request)
            statuses[status] += 1
            if status not in FINE:
                faults.append(f"request {number}: {status} for {caller.role} {describe(request)}")
        healthy = send(server.port, {}, Hostile("GET", "/healthz", "", b""))
        alive = send(
            server.port, credentials(store, "lab"), Hostile("POST", "/label/do/look", "application/json", b"{}")
        )
        memory = peak_mb(server.pid)
        log = server.log.read_text(encoding="utf-8", errors="replace")
    store.close()
    faults += [f"peak memory {memory} MB"] if memory > MOST_MB else []
    faults += (
        [f"afterwards /healthz answers {healthy}, a labeler gets {alive}"] if (healthy, alive) != (200, 200) else []
    )
    faults += [f"{count} tracebacks in the log"] if (count := log.count("Traceback")) else []
    shown = ", ".join(f"{number} x {status}" for status, number in statuses.most_common(6))
    return Report(f"{sum(statuses.values()):,} requests: {shown}; peak {memory} MB, {len(log):,} bytes of log", faults)


def signed_out(caller: Caller, request: Hostile) -> dict[str, str]:
    """Return the caller's headers; without a session for a request that would end it or erase the account."""
    return {} if request.path.startswith(("/logout", "/label/erase")) else caller.headers


def send(port: int, headers: dict[str, str], request: Hostile) -> int:
    """Return the status of the answer; 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        typed = headers | ({"content-type": request.type} if request.type else {})
        connection.request(request.method, request.path, request.body or None, typed)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server answers 413 and closes before the body ends
    try:
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 413 if len(request.body) > 256 * 1024 else 0
    finally:
        connection.close()


def describe(request: Hostile) -> str:
    """Return a request in one line."""
    return f"{request.method} {request.path[:120]} {request.type!r} {request.body[:160]!r}"

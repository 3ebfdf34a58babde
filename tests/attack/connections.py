# SPDX-License-Identifier: Apache-2.0
"""Thousands of open connections: a labeler continues, /healthz answers, and the server closes half requests."""

from __future__ import annotations

import asyncio
import http.client
import resource
import socket
import time
from pathlib import Path

from data.store import Store
from rlhf.pages.connections import Limits
from tests.attack import Report, peak_mb, percentile
from tests.attack.server import running
from tests.bench.serve.labelers import Gone, Labeler, fill, hire

HEAD = b"POST /label/do/look HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\ncontent-type: application/json\r\n"
SENT = (b"", HEAD, HEAD + b"\r\n" + b"{" * 10, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
"""The bytes that a connection sends: nothing, half a head, half a body, or a whole request before it idles."""
ANSWERS, CHECKS = 60, 20
MOST_SECONDS = 5.0
"""Seconds that an answer or a check of health may take. Two busy cores need far less."""


def main(home: Path, connections: int = 2000, *, wait: bool = True) -> Report:
    """Hold that many connections open. `wait`: until the deadline of half requests is over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if soft < wanted else soft, hard))
    store = Store(home)
    fill(store, ANSWERS + 10)
    (labeler,) = hire(store, 1)
    store.close()
    faults: list[str] = []
    with running(home, whole=False) as server:
        labeler.port = server.port
        began = time.monotonic()
        held = [open_connection(server.port, SENT[number % len(SENT)]) for number in range(connections)]
        opened = sum(connection is not None for connection in held)
        answers, retries = asyncio.run(answer_all(labeler))
        checks = [check_health(server.port) for _ in range(CHECKS)]
        half = [connection for number, connection in enumerate(held) if connection and SENT[number % 4][:4] == b"POST"]
        if wait:
            while time.monotonic() < began + Limits().seconds + 10 and any(map(is_open, half)):
                time.sleep(0.5)
            faults += [f"{count} half requests are still open"] if (count := sum(map(is_open, half))) else []
            checks += [check_health(server.port)]
        memory = peak_mb(server.pid)
        for connection in held:
            if connection:
                connection.close()
        lines = len(server.log.read_text(encoding="utf-8", errors="replace").splitlines())
    faults += [f"{sum(status != 200 for status, _ in checks)} checks of health failed"] * any(
        status != 200 for status, _ in checks
    )
    slowest = max([*answers, *(seconds for _, seconds in checks)])
    faults += [f"an answer or a check took {slowest:.1f} s"] if slowest > MOST_SECONDS else []
    faults += [f"the labeler recorded {len(answers)} of {ANSWERS} answers"] if len(answers) < ANSWERS else []
    faults += [f"the server wrote {lines} log lines"] if lines > 200 else []
    line = (
        f"{opened:,} connections opened; {len(answers)} answers, p95 {1000 * percentile(answers, 0.95):.0f} ms,"
        f" {retries} sent again; health p95 {1000 * percentile([s for _, s in checks], 0.95):.0f} ms;"
        f" peak {memory} MB, {lines} log lines"
    )
    return Report(line, faults)


def open_connection(port: int, sent: bytes) -> socket.socket | None:
    """Open a connection and send a part of a request; None if the server refuses it."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(sent)
    except OSError:
        return None
    return connection


def is_open(connection: socket.socket) -> bool:
    """Return whether the server still holds the connection. Reads what the server sent."""
    try:
        while connection.recv(1 << 16, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def answer_all(labeler: Labeler) -> tuple[list[float], int]:
    """Return the seconds of each answer, and how often the labeler had to connect again, as the page does."""
    seconds: list[float] = []
    retries = 0
    while len(seconds) < ANSWERS and retries < ANSWERS:
        began = time.monotonic()
        try:
            if labeler.item is None:
                await labeler.ask()
            await labeler.label()
            seconds.append(time.monotonic() - began)
        except Gone:
            retries += 1
    await labeler.leave()
    return seconds, retries


def check_health(port: int) -> tuple[int, float]:
    """Return (status, seconds) of GET /healthz on a new connection; status 0 if it does not answer."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status, time.monotonic() - began
    except OSError:
        return 0, time.monotonic() - began
    finally:
        connection.close()

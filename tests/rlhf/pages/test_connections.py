# SPDX-License-Identifier: Apache-2.0
"""Strangers cannot hold connections: deadlines for requests, a limit of connections, and no file descriptors left."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from rlhf.pages.connections import LimitedServer, Limits, count_connections
from tests.support import ROOT

QUICK = Limits(connections=40, seconds=0.6, rate=500)


async def healthz(request):
    return PlainTextResponse("ok")


async def upload(request):
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        return PlainTextResponse("")


async def busy(request):
    """Take the body slowly: the server, not the client, is late."""
    size = 0
    async for part in request.stream():
        size += len(part)
        await asyncio.sleep(0.05)
    return PlainTextResponse(str(size))


async def stream(request):
    async def parts():
        for number in range(8):
            await asyncio.sleep(0.2)
            yield f"data: {number}\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


def site():
    routes = [Route("/healthz", healthz), Route("/stream", stream)]
    return Starlette(routes=[*routes, *(Route(f"/{work.__name__}", work, methods=["POST"]) for work in (upload, busy))])


@contextmanager
def serving(limits=QUICK):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = LimitedServer(site(), limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1], server
    finally:
        server.should_exit = True
        thread.join(10)


def ended(connection, seconds=5.0):
    """Return what the server sent until it closed the connection; fail if it stays open."""
    received, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([connection], [], [], 0.1)[0]:
            try:
                part = connection.recv(1 << 16)
            except ConnectionResetError:
                return received
            if not part:
                return received
            received += part
    pytest.fail(f"the connection is still open after {seconds} s; received {received!r}")


HEAD = b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"HTTP/1.1 408"),
        (HEAD, b"HTTP/1.1 408"),
        (HEAD + b"a" * 200, b"HTTP/1.1 408"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea", b"HTTP/1.1 200"),
    ],
)
def test_a_half_sent_request_is_closed(sent, status):
    with serving() as (port, _), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        assert ended(connection).startswith(status)


def test_a_request_that_trickles_in_is_closed():
    with serving() as (port, server), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD)
        end = time.monotonic() + 5
        while server.server_state.connections:
            assert time.monotonic() < end
            with suppress(OSError):
                connection.sendall(b"a")
            time.sleep(0.05)


def test_a_slow_upload_that_goes_on_is_taken_whole():
    def parts():
        for _ in range(20):
            time.sleep(0.1)
            yield b"a" * 200

    with serving() as (port, _):
        assert httpx.post(f"http://127.0.0.1:{port}/upload", content=parts()).text == "4000"


def test_a_server_that_reads_slowly_does_not_blame_the_client():
    with serving() as (port, _):
        answer = httpx.post(f"http://127.0.0.1:{port}/busy", content=b"a" * (4 << 20), timeout=30)
        assert answer.text == str(4 << 20)


def test_a_long_response_is_not_cut():
    with serving() as (port, _), httpx.stream("GET", f"http://127.0.0.1:{port}/stream") as answer:
        assert "".join(answer.iter_text()).count("data:") == 8


def test_idle_connections_above_the_limit_make_room_for_those_that_ask():
    with serving(Limits(connections=40)) as (port, server):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for _ in range(5):
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10).text == "ok"
        assert len(server.server_state.connections) <= 41
        for connection in idle:
            connection.close()


def test_when_all_connections_are_busy_others_get_503():
    with serving(Limits(connections=5)) as (port, _):
        senders = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        for sender in senders:
            sender.sendall(HEAD)
        time.sleep(0.3)
        refused = httpx.get(f"http://127.0.0.1:{port}/healthz")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        for sender in senders:
            sender.sendall(b"a" * 100_000)
            assert ended_with(sender, b"100000")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok"


def ended_with(connection, body):
    received = b""
    while not received.endswith(body):
        received += connection.recv(1 << 16)
    return True


@pytest.mark.parametrize(("descriptors", "connections"), [(128, 28), (64, 16), (1_024, 924), (20_000, 1_000)])
def test_the_limit_follows_the_file_descriptors(descriptors, connections):
    assert count_connections(descriptors) == connections


OUT_OF_DESCRIPTORS = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from rlhf.pages.connections import LimitedServer, Limits
from tests.rlhf.pages.test_connections import site
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
LimitedServer(site(), Limits(), lambda: print(listener.getsockname()[1], flush=True)).run(sockets=[listener])
"""


def test_without_file_descriptors_health_is_answered_and_the_log_stays_short(tmp_path):
    errors = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-c", OUT_OF_DESCRIPTORS],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        port = int(process.stdout.readline())
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
        time.sleep(2.5)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=15).text == "ok"
        for connection in idle:
            connection.close()
        errors.seek(0)
        lines = errors.read().splitlines()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
        errors.close()
    assert 1 <= len(lines) < 10, lines[:20]

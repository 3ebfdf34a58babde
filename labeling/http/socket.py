# SPDX-License-Identifier: Apache-2.0
"""The socket of the server, and its address as text."""

from __future__ import annotations

import errno
import ipaddress
import socket

from data.errors import BadInput

LARGEST_PORT = 65_535


def listen(host: str, port: int) -> socket.socket:
    """Return the listening socket. Raises BadInput if the port is taken or none, or the address is not ours."""
    if not 0 <= port <= LARGEST_PORT:
        raise BadInput(
            f"port {port} is out of range", f"Give --port a number from 0 to {LARGEST_PORT}; 0: any.", field="port"
        )
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as problem:
        is_taken = problem.errno == errno.EADDRINUSE
        text = f"port {port} is taken" if is_taken else f"cannot listen on {host}:{port}: {problem}"
        raise BadInput(
            text,
            "Choose a free one with --port.",
            field="port" if is_taken else "host",
        ) from None
    # Accepted connections inherit this. Without it a response body waits 40 ms for the acknowledgement of its head:
    # asyncio sets it only on sockets made with the protocol's number, and these are not.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_host(host: str) -> str:
    """Return the host as a URL shows it."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return True if `host` (a name or an address) is this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"

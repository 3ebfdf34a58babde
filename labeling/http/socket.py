"""The socket that the server listens on, and its address as people read it."""

from __future__ import annotations

import errno
import ipaddress
import socket

from data.errors import BadInput


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, or BadInput where the port is taken or the address is not ours."""
    try:
        door = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except (OSError, OverflowError) as problem:
        taken = getattr(problem, "errno", None) == errno.EADDRINUSE
        what = f"port {port} is taken" if taken else f"cannot listen on {host}:{port}: {problem}"
        raise BadInput(
            what,
            "Give a free one with --port.",
            field="port" if taken or isinstance(problem, OverflowError) else "host",
        ) from None
    # Accepted connections inherit this. Without it an answer's body waits 40 ms for the acknowledgement of its head: asyncio sees only to
    # sockets that were made with the protocol's number, and these are not.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


def url_host(host: str) -> str:
    """The host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) is this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"

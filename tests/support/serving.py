# SPDX-License-Identifier: Apache-2.0
"""The app as a person starts it: `preference-loop serve` in a process of its own, and a signed-in HTTP client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.support import PATIENCE, ROOT

APP = ROOT / "app.py"


class Server(NamedTuple):
    """A running server and the address that it printed."""

    process: subprocess.Popen
    address: str

    @property
    def root(self) -> str:
        """http://host:port"""
        return "/".join(self.address.split("/")[:3])


@contextmanager
def serving(home: Path, *more: str, errors: Path | None = None) -> Iterator[Server]:
    """Start the app on a free port. At the end send an interrupt and wait for its exit. `errors` gets its stderr."""
    with errors.open("w+") if errors else tempfile.TemporaryFile("w+") as stream:
        process = subprocess.Popen(
            [sys.executable, str(APP), "serve", "--port", "0", "--home", str(home), *more],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        try:
            address = process.stdout.readline().strip()
            stream.seek(0)
            assert address.startswith("http://"), f"the app did not start: {address} {stream.read()}"
            yield Server(process, address)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
            process.stdout.close()


def signed_in(server: Server, name: str, password: str) -> httpx.Client:
    """Return a client with the session cookie of that account."""
    client = httpx.Client(base_url=server.root, follow_redirects=True, timeout=PATIENCE)
    answer = client.post("/login", data={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return client

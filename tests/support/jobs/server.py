# SPDX-License-Identifier: Apache-2.0
"""The routes of workers behind the gate, in a process of its own: `python tests/support/jobs/server.py HOME PORT`.

The whole app starts ten times slower, and has the same routes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import uvicorn
from starlette.applications import Starlette

from data.store import Store
from labeling.accounts.gate import Gate
from rlhf.common.locks import SERVER, acquire_lock
from rlhf.pages.jobs.routes import routes
from tests.support import ROOT


class JobServer:
    """A server that can be killed and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, __file__, str(self.home), str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill the server."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store = Store(Path(sys.argv[1]))
    with acquire_lock(store.home / SERVER):
        app = Gate(Starlette(routes=routes(store)), store)
        _Server(uvicorn.Config(app, port=int(sys.argv[2]), log_level="warning")).run()

# SPDX-License-Identifier: Apache-2.0
"""Servers to attack: the labeling app without the page framework, started in milliseconds, or the whole app.

`python -m tests.attack.server HOME` imports the app once. Every line on its standard input forks a child that serves
HOME on a free port; the child is the same uvicorn as the app's. A start then costs no imports.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI

from data.store import Store
from labeling.accounts import my_data
from labeling.accounts.gate import Gate
from labeling.api.routes import api_router
from labeling.http.proxy import ProxyHeaders
from labeling.http.socket import listen
from labeling.page import actions
from labeling.queue.group_commit import GroupCommit
from labeling.rating import page as rating
from labeling.writing import page as writing
from rlhf.pages import upload
from rlhf.pages.serve import run_server
from tests.support import ROOT


class Running(NamedTuple):
    """A server: its process id and port. `log` is the file of its standard error."""

    pid: int
    port: int
    log: Path

    def kill(self) -> None:
        """Kill it with -9, if it lives."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


class Nursery:
    """Starts servers of one home by forking; see the module."""

    def __init__(self, home: Path) -> None:
        self.log = home.parent / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.attack.server", str(home)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self) -> Running:
        """Start a server and wait until it answers. Raises RuntimeError if it does not start."""
        print(file=self.process.stdin, flush=True)
        pid = self.process.stdout.readline().strip()
        address = self.process.stdout.readline()
        if not address.startswith("http://"):
            raise RuntimeError(f"the server did not start: {pid!r} {address!r}; see {self.log}")
        return Running(int(pid), int(address.split(":")[2].split("/")[0]), self.log)

    def close(self) -> None:
        """End the process that forks."""
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@contextmanager
def nursery(home: Path) -> Iterator[Nursery]:
    """Yield a nursery of this home; end it afterwards."""
    home.parent.mkdir(parents=True, exist_ok=True)
    opened = Nursery(home)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def running(home: Path, *, whole: bool) -> Iterator[Running]:
    """Yield a running server: the whole app, or the labeling app. Kill it afterwards."""
    if whole:
        with whole_app(home) as server:
            yield server
        return
    with nursery(home) as opened:
        server = opened.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def whole_app(home: Path) -> Iterator[Running]:
    """Yield the whole app as a person starts it. Kill it afterwards, and wait for its supervisor to end."""
    log = home.parent / "server.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "app.py", "serve", "--home", str(home), "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"},
        )
    try:
        address = process.stdout.readline()
        if not address.startswith("http://"):
            raise RuntimeError(f"the server did not start: {address!r}; see {log}")
        yield Running(process.pid, int(address.split(":")[2].split("/")[0]), log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        wait_for_supervisor(home)


def wait_for_supervisor(home: Path, seconds: float = 30.0) -> None:
    """Wait until the supervisor of a home has noticed that no server is left."""
    from rlhf.common.locks import SUPERVISOR, is_locked

    end = time.monotonic() + seconds
    while is_locked(home / SUPERVISOR) and time.monotonic() < end:
        time.sleep(0.1)


def compose_labeling_site(store: Store) -> ProxyHeaders:
    """Return every route of the app that does not need the page framework, behind the gate."""
    group_commit = GroupCommit(store)
    own = [*my_data.routes(store), *actions.routes(store, group_commit), *rating.routes(store)]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(api_router(store, group_commit))
    app.router.routes.extend([*own, *writing.routes(store), upload.upload(store)])
    return ProxyHeaders(Gate(app, store))


def serve(home: str) -> None:
    """Serve the labeling app of this home on a free port, until it is killed."""
    store = Store(home)
    listener = listen("127.0.0.1", 0)
    run_server(compose_labeling_site(store), listener, f"http://127.0.0.1:{listener.getsockname()[1]}/")


def main(home: str) -> None:
    """Fork a server for every line of standard input."""
    for name in ("uvicorn", "rlhf.pages.connections", "anyio._backends._asyncio", "pydantic.v1"):
        import_module(name)  # so that children need not import it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            print(os.getpid(), flush=True)
            serve(home)
            os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

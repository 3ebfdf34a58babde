# SPDX-License-Identifier: Apache-2.0
"""The labelers' doors without the pages, as a process that is up at once: `python -m tests.bench.serve.start_server HOME`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from data import Store
from labeling.accounts.gate import Gate
from labeling.api.routes import api_router
from labeling.http.proxy import ProxyHeaders
from labeling.http.socket import listen
from labeling.page import actions
from labeling.queue.group_commit import GroupCommit
from rlhf.pages.serve import run_server
from tests.support import ROOT


def main(home: str) -> None:
    """Serve the gate and the routes of labels, by the very server of the app."""
    store = Store(home)
    door = listen("127.0.0.1", 0)
    group_commit = GroupCommit(store)
    inner = FastAPI(routes=[*actions.routes(store, group_commit)])
    inner.include_router(api_router(store, group_commit))
    run_server(ProxyHeaders(Gate(inner, store)), door, f"http://127.0.0.1:{door.getsockname()[1]}/")


@contextmanager
def serving_app(home: Path) -> Iterator[str]:
    """Serve a home with the app's pages inside the block; yield the line that the server prints, an address or a link."""
    server, line = _launch(home, pages=True)
    try:
        yield line
    finally:
        server.terminate()
        server.wait()


def start(home: Path, *, pages: bool) -> tuple[subprocess.Popen, int]:
    """The app with its pages, or the doors alone, in a process of its own; its port."""
    server, line = _launch(home, pages=pages)
    return server, int(line.split(":")[2].split("/")[0])


def _launch(home: Path, *, pages: bool) -> tuple[subprocess.Popen, str]:
    command = (
        ["app.py", "serve", "--home", str(home), "--port", "0"]
        if pages
        else ["-m", "tests.bench.serve.start_server", str(home)]
    )
    server = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline().strip()
    if not line.startswith("http://"):
        raise RuntimeError(f"the server did not start: {line!r}")
    return server, line


if __name__ == "__main__":
    main(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""A labeling process: it answers labelers' actions itself and passes every other request on to the server.

It accepts connections of the server's own listening socket. It ends with its standard input, so it never outlives the
server. On its standard output it names the accounts that it saw, a JSON list per line: the server knows who is online.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket

import fastapi
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from data.store import Store
from labeling.accounts.gate import Gate
from labeling.accounts.presence import Presence
from labeling.api.routes import api_router
from labeling.http.logs import configure_logging, log_request
from labeling.http.observation import ObservedRequests, PathTemplates, list_paths
from labeling.http.proxy import ProxyHeaders, ServedAddress
from labeling.http.requests import path_below_root
from labeling.http.responses import disk_full_response
from labeling.page import actions
from labeling.queue.group_commit import GroupCommit, WriteTurns
from rlhf.pages.connections import LimitedServer, Limits, count_connections, log_thread_problem, raise_descriptor_limit
from rlhf.pages.workers.forward import Forward

OWN = ("/label/do/", "/api/v1/next", "/api/v1/submit", "/api/v1/skip", "/api/v1/undo")
"""Paths that this process answers: what labelers do, thousands of times a day."""
TURNS = "label.lock"
"""The file of the home whose lock the labeling processes pass on."""
SEEN_SECONDS = 10.0
"""Seconds between two lists of the accounts that were seen."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of a labeling process: the descriptor of the clients' socket, and the path of the server's."""

    listener: int
    socket: str
    home: str
    address: ServedAddress = ServedAddress()
    log_json: bool = False

    def as_text(self) -> str:
        """Return the options as JSON, for the command line of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> WorkerOptions:
        """Return the options of `as_text`."""
        given = json.loads(text)
        return cls(**given | {"address": ServedAddress(*given["address"])})


class SeenAccounts(Presence):
    """The accounts that were seen since the last list."""

    def take(self) -> list[int]:
        """Return them and begin a new list."""
        seen, self.seen = self.seen, {}
        return sorted(seen)


class OwnPaths:
    """Pass labelers' actions to `own` and other requests to `others`."""

    def __init__(self, own: ASGIApp, others: ASGIApp) -> None:
        self.own, self.others = own, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or the start and end of the server."""
        is_own = scope["type"] == "lifespan" or path_below_root(Request(scope)).startswith(OWN)
        await (self.own if is_own else self.others)(scope, receive, send)


def compose(store: Store, options: WorkerOptions, presence: Presence) -> ProxyHeaders:
    """Return the labeling process's app."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(OSError, disk_full_response)
    group_commit = GroupCommit(store, WriteTurns(store.home / TURNS))
    app.include_router(api_router(store, group_commit))
    app.router.routes.extend(actions.routes(store, group_commit))
    own: ASGIApp = Gate(app, store, presence=presence, loops=(group_commit.loop,))
    if options.log_json:
        own = ObservedRequests(own, PathTemplates(list_paths(app.routes)), [log_request])
    return ProxyHeaders(OwnPaths(own, Forward(options.socket)), options.address)


def main(text: str) -> None:
    """Serve until standard input ends."""
    options = WorkerOptions.read(text)
    configure_logging(as_json=options.log_json)
    threading.excepthook = log_thread_problem
    store, presence, ended = Store(Path(options.home)), SeenAccounts(), threading.Event()

    def report_presence() -> None:
        print(json.dumps(presence.take()), flush=True)

    def keep_reporting() -> None:
        while not ended.wait(SEEN_SECONDS):
            report_presence()

    def end_with_input() -> None:
        sys.stdin.read()
        ended.set()
        server.should_exit = True

    limits = Limits(connections=count_connections(raise_descriptor_limit()))
    server = LimitedServer(compose(store, options, presence), limits, ready=report_presence)
    for task in (keep_reporting, end_with_input):
        threading.Thread(target=task, daemon=True).start()
    server.run(sockets=[socket(fileno=options.listener)])
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])

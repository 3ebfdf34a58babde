# SPDX-License-Identifier: Apache-2.0
"""A small OpenAI-compatible server in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class EndpointServer:
    """A small endpoint. `reply(body)` gives (status, document); `requests` holds the bodies it received."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.paths: list[str] = []
        self.reply: Callable[[dict], tuple[int, object]] = reply_to_all
        self.moved = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(body)
                outer.headers.append(dict(self.headers))
                outer.paths.append(self.path)
                status, document = outer.reply(body)
                sent = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                if outer.moved:
                    self.send_header("Location", outer.moved)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


def reply_to_all(body: dict) -> tuple[int, dict]:
    """Give the requested number of different answers; the last one is cut."""
    texts = [f"seed {body['seed']} choice {index}" for index in range(body["n"])]
    ends = ["stop"] * (body["n"] - 1) + ["length"]
    if "messages" in body:
        return 200, {
            "choices": [
                {"message": {"content": text}, "finish_reason": end} for text, end in zip(texts, ends, strict=True)
            ]
        }
    return 200, {"choices": [{"text": text, "finish_reason": end} for text, end in zip(texts, ends, strict=True)]}


def reply_to_one(body: dict) -> tuple[int, dict]:
    """Give one answer for any requested number, as some servers do."""
    return reply_to_all({**body, "n": 1})


@contextmanager
def running_endpoint() -> Iterator[EndpointServer]:
    """Run a server inside the block."""
    endpoint = EndpointServer()
    try:
        yield endpoint
    finally:
        endpoint.http.shutdown()
        endpoint.http.server_close()

# SPDX-License-Identifier: Apache-2.0
"""A server with the REST API of Ray Jobs that starts each job's command as a process of this machine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support import ROOT


class FakeRay:
    """Jobs by submission id: what was asked for, and the process. `room`: False leaves jobs pending.

    `failing` names the status that it answers to a method instead of acting.
    """

    def __init__(self, token: str = "") -> None:
        self.token, self.room = token, True
        self.asked: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.stopped: list[str] = []
        self.failing: dict[str, int] = {}
        ray = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.answer("POST", json.loads(body or b"{}"))

            def do_GET(self) -> None:
                self.answer("GET", {})

            def answer(self, method: str, body: dict[str, Any]) -> None:
                allowed = not ray.token or self.headers.get("authorization") == f"Bearer {ray.token}"
                status, document = ray.act(method, self.path, body) if allowed else (401, "no token")
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.server.server_port}"

    def act(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and the document that Ray would answer."""
        if method in self.failing:
            return self.failing[method], "not now"
        parts = path.strip("/").split("/")[2:]
        if method == "POST" and not parts:
            return self.submit(body)
        if parts[0] not in self.asked:
            return 404, f"job {parts[0]} does not exist"
        if parts[1:] == ["stop"]:
            self.stopped.append(parts[0])
            if parts[0] in self.processes:
                self.processes[parts[0]].terminate()
            return 200, {"stopped": True}
        if parts[1:] == ["logs"]:
            return 200, {"logs": "the last line"}
        return 200, {"status": self.status(parts[0]), "message": "as its process says"}

    def submit(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Keep the job and start it if there is room; refuse a known id, as Ray does."""
        id = body["submission_id"]
        if id in self.asked:
            return 500, f"job {id} already exists"
        self.asked[id] = body
        if self.room:
            self.start(id)
        return 200, {"submission_id": id}

    def start(self, id: str) -> None:
        """Start the command of a job."""
        body = self.asked[id]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **body["runtime_env"]["env_vars"]}
        self.processes[id] = subprocess.Popen(shlex.split(body["entrypoint"]), cwd=ROOT, env=environment)

    def status(self, id: str) -> str:
        """Return Ray's word for the state of a job."""
        code = self.processes[id].poll() if id in self.processes else None
        if code is None:
            return "RUNNING" if id in self.processes else "PENDING"
        return "STOPPED" if id in self.stopped else "FAILED" if code else "SUCCEEDED"

    def close(self) -> None:
        """Kill all jobs and close the port."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.server.shutdown()
        self.server.server_close()

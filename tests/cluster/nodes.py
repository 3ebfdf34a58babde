# SPDX-License-Identifier: Apache-2.0
"""Two Ray nodes on one machine, at 127.0.0.1 and 127.0.0.2, each with a custom resource that names it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

PORTS = {"gcs": 26379, "jobs": 28265, "client": 26380}
SECONDS = 180.0
"""Seconds in which Ray's job server must answer."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1", "OMP_NUM_THREADS": "1"}


class RayNodes:
    """The head `node-a` and the second node `node-b`, each a process group in the foreground."""

    def __init__(self, ray: Path, folder: Path) -> None:
        self.ray, self.folder = ray, folder
        self.processes: dict[str, subprocess.Popen] = {}

    @property
    def address(self) -> str:
        """The address of the job server."""
        return f"http://127.0.0.1:{PORTS['jobs']}"

    def start(self) -> None:
        """Start both nodes and wait until the job server knows both."""
        head = ["--head", f"--port={PORTS['gcs']}", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
        head += [f"--dashboard-port={PORTS['jobs']}", f"--ray-client-server-port={PORTS['client']}"]
        self._start("node-a", head, 30000)
        self._wait(lambda: httpx.get(f"{self.address}/api/version", timeout=5.0).is_success)
        second = [f"--address=127.0.0.1:{PORTS['gcs']}", "--node-ip-address=127.0.0.2"]
        self._start("node-b", second, 31000)
        self._wait(lambda: len(self._alive()) == 2)

    def kill(self, name: str) -> None:
        """Kill the processes of a node with SIGKILL, those of its jobs too."""
        process = self.processes.pop(name)
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            try:
                member.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        process.wait()

    def close(self) -> None:
        """Kill both nodes."""
        for name in list(self.processes):
            self.kill(name)

    def _start(self, name: str, more: list[str], ports: int) -> None:
        command = [str(self.ray), "start", *more, "--num-cpus=2", "--num-gpus=0", "--block", "--disable-usage-stats"]
        command += [f"--resources={json.dumps({name: 1})}", "--object-store-memory=100000000"]
        command += [f"--min-worker-port={ports}", f"--max-worker-port={ports + 900}"]
        command += [f"--dashboard-agent-listen-port={ports + 950}", f"--dashboard-agent-grpc-port={ports + 951}"]
        command += [f"--runtime-env-agent-port={ports + 952}", f"--metrics-export-port={ports + 953}"]
        command += [f"--node-manager-port={ports + 954}", f"--object-manager-port={ports + 955}"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | QUIET,
            )

    def _alive(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.address}/api/v0/nodes", timeout=5.0).json()
        return [node for node in answer["data"]["result"]["result"] if node["state"] == "ALIVE"]

    def _wait(self, ready: Any) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if ready():
                    return
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                pass
            time.sleep(0.5)
        raise RuntimeError(f"Ray did not start: see the logs in {self.folder}")

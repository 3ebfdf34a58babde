# SPDX-License-Identifier: Apache-2.0
"""A vLLM server that a run starts for itself and stops at its end.

It serves the run's base on a free port of this machine and requires a key that only the run knows. It belongs to the
process group of the run, so whatever ends the run's processes ends it too.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.locate import locate
from reward.base.placement import NAMES
from rlhf.common.http_json import RequestFailed
from rlhf.sampling.served.server import Server, is_temporary
from rlhf.sampling.served.server_pool import LOOK_SECONDS, Watch
from rlhf.sampling.served.vllm_command import find_command

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The largest ranks that vLLM can be started for."""
ENVIRONMENT = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
GPU_SHARE = "0.3"
"""Share of a GPU's memory for the server; the trainer needs the rest."""
STOP_SECONDS = 20.0


class OwnServer:
    """The server of one run: `start` it once, then `stop` it. Its output goes to the file `log`.

    Adapters may get `more_rank` than those of the base at the start.
    """

    def __init__(self, log: Path, watch: Watch, more_rank: int = 0) -> None:
        self.log, self._watch, self._more_rank = log, watch, more_rank
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, base: Base) -> Server:
        """Start the server and wait until it answers. Raises BadInput if it ends instead, and what `watch` raises."""
        key = secrets.token_urlsafe(24)
        server = Server(f"http://127.0.0.1:{_free_port()}", key)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [find_command(), *serve_arguments(base, server.url, self._more_rank)],
                env=ENVIRONMENT | os.environ | {"VLLM_API_KEY": key},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while True:
            self._watch("waiting for the vLLM server of this run to start")
            if self._process.poll() is not None:
                raise bad_input("refused.rollouts_started", field="rollouts", last=self._last_line(), log=str(self.log))
            try:
                server.read_base()
            except RequestFailed as problem:
                if not is_temporary(problem):
                    raise server.failure(problem) from None
            else:
                self._watch("")
                return server
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop the server if it runs, and wait for its end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def serve_arguments(base: Base, url: str, more_rank: int = 0) -> list[str]:
    """Return the arguments of vllm that serve this base with room for the adapters that it has and will have."""
    needed = max((base.adapter_config(name).r for name in base.adapters), default=0) + more_rank
    rank = next((rank for rank in RANKS if rank >= needed), RANKS[-1])
    options = {
        "--served-model-name": "base",
        "--host": "127.0.0.1",
        "--port": url.rpartition(":")[2],
        "--dtype": NAMES[base.causal.dtype],
        "--max-model-len": str(base.context),
        "--max-lora-rank": str(rank),
        "--max-loras": "4",
        "--logprobs-mode": "processed_logprobs",
        "--generation-config": "vllm",
    }
    if base.device.type != "cpu":
        options["--gpu-memory-utilization"] = GPU_SHARE
    flags = [part for option in options.items() for part in option]
    return ["serve", locate(base.name), *flags, "--enforce-eager", "--enable-lora"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

# SPDX-License-Identifier: Apache-2.0
"""A server with vLLM's four endpoints in this process, whose answers come from the product's own sampler.

It reads adapters from the paths that it is sent. Faults: `die`, `go_on` (clear it to be slow), `raw_logps`, `ignores_bans`,
`ignores_adapters`, `answers_as`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.sampling.rollout_sampler import NoiseKey
from rlhf.sampling.sampler import generate
from rlhf.sampling.served.agreement import answer_logps

MOST_TOKENS = 64
"""Most tokens of an answer in tests that share noise."""


class Refusal(Exception):
    """A status and the message of a refusal."""


class VllmServer:
    """One server. `noise` gives the uniform numbers of a seed, `requests` holds the bodies of completions."""

    def __init__(self, model: Path, port: int = 0, key: str = "") -> None:
        self.base, self.key, self.lock = Base.load(model), key, threading.Lock()
        self.requests: list[dict] = []
        self.admin: list[tuple[str, dict]] = []
        self.adapters: dict[str, Path] = {}
        self.noise = lambda seed, length: np.random.default_rng(seed).random(length)
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = threading.Event()
        self.raw_logps = self.ignores_bans = self.ignores_adapters = self.alive = False
        self.answers_as = ""
        self.max_model_len = self.base.context
        self.start(port)

    def start(self, port: int = 0) -> None:
        """Listen; a server that starts again has no adapters."""
        for name in self.adapters:
            self.base.drop_adapter(name)
        self.adapters.clear()
        self.http = ThreadingHTTPServer(("127.0.0.1", port or getattr(self, "port", 0)), handler_of(self))
        self.http.daemon_threads = True
        self.port, self.alive = self.http.server_port, True
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def die(self) -> None:
        """Stop listening; connections in flight break."""
        self.alive = False
        self.http.shutdown()
        self.http.server_close()

    def reply(self, path: str, body: dict) -> dict | str:
        """Return the document, or the sentence, that vLLM would answer. Raises Refusal."""
        if path == "/v1/models":
            about = {"object": "model", "max_model_len": self.max_model_len}
            adapters = [{"id": name, "parent": "base", **about} for name in self.adapters]
            return {"data": [{"id": "base", "root": self.base.name, "parent": None, **about}, *adapters]}
        if path == "/v1/completions":
            self.requests.append(body)
            self.asked.set()
            self.go_on.wait()
            with self.lock:
                return self.complete(body)
        self.admin.append((path.rpartition("/")[2], body))
        with self.lock:
            return (self.load if path == "/v1/load_lora_adapter" else self.unload)(body)

    def load(self, body: dict) -> str:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self.adapters:
            raise Refusal(400, f"The lora adapter '{name}' has already been loaded.")
        try:
            self.base.add_adapter(name, folder)
        except BadInput as problem:
            raise Refusal(404, f"Loading lora {name} failed: {problem.error}") from None
        self.adapters[name] = folder
        return f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, body: dict) -> str:
        if self.adapters.pop(body["lora_name"], None) is None:
            raise Refusal(404, "The lora adapter cannot be found.")
        self.base.drop_adapter(body["lora_name"])
        return f"Success: LoRA adapter '{body['lora_name']}' removed successfully."

    def complete(self, body: dict) -> dict:
        name, temperature = body["model"], body["temperature"]
        if name != "base" and name not in self.adapters:
            raise Refusal(404, f"The model `{name}` does not exist.")
        banned = [] if self.ignores_bans else [int(token) for token in body["logit_bias"]]
        noise = self.noise(body["seed"], body["max_tokens"]).reshape(1, -1)
        limits = {"max_new_tokens": body["max_tokens"], "temperature": temperature, "banned": banned}
        with self.base.role(None if name == "base" or self.ignores_adapters else name):
            (ids,), (logps,), (ended,) = generate(self.base, [body["prompt"]], noise, **limits)
            if self.raw_logps:
                logps = answer_logps(self.base, body["prompt"], ids, 1.0).tolist()
        finish = "stop" if ended and len(ids) < body["max_tokens"] else "length"
        choice = {"token_ids": ids, "logprobs": {"token_logprobs": logps}, "finish_reason": finish, "text": ""}
        return {"model": self.answers_as or name, "choices": [choice]}


def handler_of(server: VllmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer({})

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, body: dict) -> None:
            status = 200
            try:
                if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                    raise Refusal(401, "Unauthorized")
                document = server.reply(self.path, body)
            except Refusal as refused:
                status, message = refused.args
                document = {"error": {"message": message}}
            if not server.alive:
                self.close_connection = True
                return
            sent = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def share_noise(server: VllmServer, patch: pytest.MonkeyPatch) -> None:
    """Let the server draw with the numbers that this process would draw with, so that both give the same answers."""
    numbers, own, seeds_of = {}, server.noise, NoiseKey.request_seeds

    def request_seeds(key: NoiseKey) -> list[int]:
        seeds = seeds_of(key)
        numbers.update(zip(seeds, key.uniforms(MOST_TOKENS), strict=True))
        return seeds

    patch.setattr(NoiseKey, "request_seeds", request_seeds)
    server.noise = lambda seed, length: numbers[seed][:length] if seed in numbers else own(seed, length)


@contextmanager
def vllm_server(model: Path, **options) -> Iterator[VllmServer]:
    """Run a server inside the block."""
    server = VllmServer(model, **options)
    try:
        yield server
    finally:
        server.go_on.set()
        if server.alive:
            server.die()

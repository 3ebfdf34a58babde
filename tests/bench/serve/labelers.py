# SPDX-License-Identifier: Apache-2.0
"""Labelers as HTTP clients for the benchmarks of serving: one keep-alive connection each, the session's cookie, no browser."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field

from data import Store
from labeling.accounts.sign_in import COOKIE


class Gone(Exception):
    """The server closed the connection or does not answer."""


@dataclass
class Labeler:
    """One person who answers what they are handed; `acknowledged` are the ids that the server said it keeps."""

    port: int
    token: str
    item: dict | None = None
    pending: dict | None = None
    acknowledged: list[str] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)
    client_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        """Get the open item or a new one."""
        _, told = await self.post("/label/do/look", {})
        self.item = held(told)

    async def label(self) -> None:
        """Answer the item, or send again what was not acknowledged, and take the next; a refusal is counted."""
        if self.pending is None:
            verdict = secrets.choice(("left", "right", "tie", "left_much", "right_slightly"))
            self.pending = {"id": secrets.token_hex(16), "assignment": self.item["assignment"], "verdict": verdict}
        began = time.perf_counter()
        status, told = await self.post("/label/do/answer", {"answer": self.pending})
        self.client_ms.append(1000 * (time.perf_counter() - began))
        if status == 200 and not told["line"]["bad"]:
            self.acknowledged.append(self.pending["id"])
            self.item = held(told)
        else:
            self.refused.append(f"{status} {told.get('error') or told['line']['text']}")
            await self.ask()
        self.pending = None

    async def post(self, path: str, body: dict) -> tuple[int, dict]:
        """(status, document). Raises Gone where the server went away."""
        try:
            if self.streams and self.streams[0].at_eof():
                await (
                    self.leave()
                )  # the server closes a connection that was idle for 5 s; a browser opens another one then, too
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            raw = json.dumps(body).encode()
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {COOKIE}={self.token}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            return await self.read(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError) as problem:
            await self.leave()
            raise Gone(str(problem)) from problem

    async def read(self, reader: asyncio.StreamReader) -> tuple[int, dict]:
        """One answer with a length; how long the server took for it is kept."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        document = json.loads(await reader.readexactly(int(headers["content-length"])))
        if "server-timing" in headers and "line" in document:
            self.server_ms.append(float(headers["server-timing"].partition("dur=")[2]))
        return int(head[0].split()[1]), document

    async def leave(self) -> None:
        """Close the connection."""
        if self.streams:
            self.streams[1].close()
        self.streams = None


def held(told: dict) -> dict | None:
    """The item that the page would show; None for an empty screen."""
    item = told.get("item")
    return item if item and item["assignment"] else None


def hire(store: Store, count: int, port: int = 0) -> list[Labeler]:
    """That many labelers with accounts and sessions of their own."""
    with store.transaction():
        made = [store.accounts.add(f"labeler {number}", "labeler") for number in range(count)]
        return [Labeler(port, store.tokens.issue("session", account.id, 3600)) for account in made]


def fill(store: Store, pairs: int) -> None:
    """A policy, so that nothing is sampled, and that many pairs to be compared."""
    store.policies.add(name="bench", kind="base", base="bench")
    store.prompts.add_many(
        {"text": f"Write a short note about thing {number}.", "source": "bench"} for number in range(pairs)
    )
    prompts = store.prompts.all()
    texts = ("Dear friend, thank you so much for it. " * 6, "thx for that. " * 8)
    answers = [(prompt.id, f"model {side}", text) for prompt in prompts for side, text in enumerate(texts)]
    rows = [{"prompt_id": prompt, "model_name": model, "text": text, "number": 0} for prompt, model, text in answers]
    ids = store.completions.add_many(rows)
    store.pairs.add_many((prompt.id, ids[2 * number], ids[2 * number + 1]) for number, prompt in enumerate(prompts))

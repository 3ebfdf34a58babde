# SPDX-License-Identifier: Apache-2.0
"""`serve_load`: many labelers at once on the real server, while a run writes its metrics.

Three loads, one after another on the same home: 100 labelers at one label per 2 s, 1,000 at one per 30 s, and 100 that answer as fast as
they are answered. The times of an answer with the next pair are those the server took (its Server-Timing header) and those the client saw.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from data import Store
from tests.bench.serve.labelers import Gone, Labeler, fill
from tests.bench.serve.start_server import ROOT, start

SECONDS = 20.0
LOADS = {"100_every_2s": (100, 2.0), "1000_every_30s": (1000, 30.0), "100_closed_loop": (100, 0.0)}
WRITER = """
import sys, time; from data import Store
store = Store(sys.argv[1]); run = store.runs.enqueue("ppo", {}, "bench"); step = 0
while True:
    step += 1; store.metrics.log(run.id, step, {"reward": step * 0.01, "kl": 0.1, "entropy": 2.0}); time.sleep(0.05)
"""


def serve_load(home: Path, *, seconds: float = SECONDS, loads: dict[str, tuple[int, float]] = LOADS) -> dict:
    """{load: {labels, per_second, server_p50_ms, server_p95_ms, client_p95_ms, refused, gone}}, and what processor time a label cost the server."""
    store = Store(home)
    fill(store, 12_000)
    people = {name: hire_for(store, name, count) for name, (count, _) in loads.items()}
    server, port = start(home, pages=True)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(home)], cwd=ROOT)
    try:
        told = {"cores": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0]}
        for name, (_, pause) in loads.items():
            for labeler in people[name]:
                labeler.port = port
            used = cpu_seconds(server.pid)
            told[name] = asyncio.run(work(people[name], pause, max(seconds, 1.2 * pause)))
            told[name]["server_cpu_ms_per_label"] = round(
                1000 * (cpu_seconds(server.pid) - used) / max(1, told[name]["labels"]), 2
            )
        told["kept"] = store.comparisons.count()
        told["acknowledged"] = sum(len(labeler.acknowledged) for each in people.values() for labeler in each)
        return told
    finally:
        for process in (writer, server):
            process.terminate()
            process.wait(30)
        store.close()


def hire_for(store: Store, load: str, count: int) -> list[Labeler]:
    """Labelers with names of their own for this load."""
    with store.transaction():
        made = [store.accounts.add(f"{load} {number}", "labeler") for number in range(count)]
        return [Labeler(0, store.tokens.issue("session", account.id, 3600)) for account in made]


async def work(labelers: list[Labeler], pause: float, seconds: float) -> dict:
    """All of them at once; each begins at a moment of its own within the first pause."""
    began = time.monotonic()
    gone = sum(await asyncio.gather(*(one(labeler, pause, began + seconds) for labeler in labelers)))
    spent = time.monotonic() - began
    server, client = (
        sorted(ms for labeler in labelers for ms in getattr(labeler, name)) for name in ("server_ms", "client_ms")
    )
    labels = sum(len(labeler.acknowledged) for labeler in labelers)
    return {
        "labelers": len(labelers),
        "labels": labels,
        "per_second": round(labels / spent, 1),
        "server_p50_ms": at(server, 0.5),
        "server_p95_ms": at(server, 0.95),
        "client_p50_ms": at(client, 0.5),
        "client_p95_ms": at(client, 0.95),
        "refused": sum(len(labeler.refused) for labeler in labelers),
        "gone": gone,
    }


async def one(labeler: Labeler, pause: float, until: float) -> int:
    """Answer, think, answer; how often the server was gone."""
    gone, due = 0, time.monotonic() + random.random() * pause
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        try:
            if labeler.item is None:
                await labeler.ask()
            if labeler.item is None:
                break
            await labeler.label()
        except Gone:
            gone += 1
        due = max(due + pause, time.monotonic())
    await labeler.leave()
    return gone


def at(ordered: list[float], share: float) -> float | None:
    """The value below which that share lies."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

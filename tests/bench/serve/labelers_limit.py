# SPDX-License-Identifier: Apache-2.0
"""`labelers_limit`: how many labelers one server carries, measured with and without labeling processes, and simulated.

Measured: 100 labelers that answer as soon as they are answered, with 0 and 2 labeling processes in turn, each on a home of its own.
Simulated: labelers who think for a lognormal time, and processes that need the measured time for a label. No network, no disk.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import signal
import subprocess
import sys
from pathlib import Path

from data import Store
from tests.bench.serve.labelers import fill, hire
from tests.bench.serve.serve_load import at, cpu_seconds, work
from tests.support import ROOT

SECONDS, LABELERS, WORKERS = 15.0, 100, (0, 2, 0, 2)
THINKING = (5.0, 15.0, 30.0)
"""Median seconds between two labels of a person."""
RATES = (200, 300, 320)
"""Labels a second that the labelers would give if nobody waited."""
SPREAD = 0.6
"""Standard deviation of the logarithm of a thinking time."""


def labelers_limit(folder: Path, *, seconds: float = SECONDS, workers: tuple[int, ...] = WORKERS) -> dict:
    """{closed_loop: [{workers, per_second, cpu_ms_per_label, ...}], simulated: {"RATE/s": {"5 s": p95 in ms, ...}}}."""
    measured = [closed_loop(folder / f"home{number}", count, seconds) for number, count in enumerate(workers)]
    alone = [each["cpu_ms_per_label"] for each in measured if each["workers"] == 0]
    cost = sum(alone) / len(alone) / 1000
    table = {
        f"{rate}/s": {f"{thinking:g} s": simulate(round(rate * thinking), thinking, cost) for thinking in THINKING}
        for rate in RATES
    }
    return {"closed_loop": measured, "service_ms": round(1000 * cost, 2), "p95_ms": table}


def closed_loop(home: Path, workers: int, seconds: float) -> dict:
    """Serve the app with so many labeling processes, and label as fast as it answers."""
    store = Store(home)
    fill(store, 12_000)
    people = hire(store, LABELERS)
    command = [sys.executable, "app.py", "serve", "--home", str(home), "--port", "0", "--workers", str(workers)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().split(":")[2].split("/")[0])
        for labeler in people:
            labeler.port = port
        pids = [server.pid, *children(server.pid)]
        used = sum(map(cpu_seconds, pids))
        told = asyncio.run(work(people, 0.0, seconds))
        cost = 1000 * (sum(map(cpu_seconds, pids)) - used) / max(1, told["labels"])
        kept = store.comparisons.count()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        store.close()
    figures = ("labels", "per_second", "server_p95_ms", "client_p95_ms", "refused", "gone")
    return {"workers": workers, "cpu_ms_per_label": round(cost, 2), "kept": kept} | {key: told[key] for key in figures}


def children(pid: int) -> list[int]:
    """The process's labeling processes."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    names = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in found}
    return [child for child, command in names.items() if b"rlhf.pages.workers.process" in command]


def simulate(people: int, thinking: float, cost: float, *, seconds: float = 60.0, seed: int = 0) -> float:
    """95th percentile in ms of the time of an answer, with one process that works for `cost` seconds on each label.

    `people` think for lognormal times with the mean `thinking`; answers are served in the order in which they come.
    """
    generator = random.Random(seed)
    location = -(SPREAD**2) / 2

    def think() -> float:
        return thinking * generator.lognormvariate(location, SPREAD)

    due = [generator.uniform(0, thinking) for _ in range(people)]
    heapq.heapify(due)
    free, waited, warm = 0.0, [], 2 * thinking
    while due[0] < warm + seconds:
        came = heapq.heappop(due)
        free = max(free, came) + cost
        if came >= warm:
            waited.append(1000 * (free - came))
        heapq.heappush(due, free + think())
    return at(sorted(waited), 0.95)

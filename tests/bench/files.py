# SPDX-License-Identifier: Apache-2.0
"""Large files: 100,000 comparisons come in while a labeler goes on, 1,000,000 go out."""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from data import Store
from data.starter.words import BACKS, FRONTS
from labeling.session import Answer, Session
from tests.bench.serve.large_home import fill
from tests.support import ROOT

ROWS, EXPORTED, WAITING, PAUSE = 100_000, 1_000_000, 20_000, 0.01
IMPORT, EXPORT = ([sys.executable, "app.py", verb] for verb in ("import", "export"))
MEASURED = """import json, resource, subprocess, sys, time
began = time.monotonic()
status = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(used.ru_utime + used.ru_stime, 1)}
print(json.dumps(seconds | {"peak_mb": round(used.ru_maxrss / 1024)}), file=sys.stderr)
sys.exit(status)"""
"""Runs a command; its last line on stderr says seconds by the clock and of processor time, and the most memory it held."""


def import_large(home: Path, *, rows: int = ROWS) -> dict:
    """Seconds and peak memory of `preference-loop import` with so many comparisons, and the longest wait of a labeler meanwhile.

    The labeler answers a pair every 10 ms, in a process of its own; beside it stands the longest of as many waits without an import.
    """
    file = home / "large.jsonl"
    with file.open("w", encoding="utf-8") as stream:
        for row in preferences(rows):
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    store = Store(home / "home")
    add_waiting(store, WAITING)
    labeler = Session(store, store.accounts.add("bench", "labeler"))
    quiet = waits(labeler, lambda answered: answered < 300)
    command = [
        sys.executable,
        "-c",
        MEASURED,
        *IMPORT,
        str(file),
        "--as",
        "preferences",
        "--home",
        str(home / "home"),
        "--json",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    during = waits(labeler, lambda answered: process.poll() is None)
    told, measured = process.communicate()
    return {
        "rows": rows,
        "added": json.loads(told)["added"],
        "file_mb": round(file.stat().st_size / 1e6, 1),
        **json.loads(measured.splitlines()[-1]),
        "labels_meanwhile": len(during),
        **figures(during),
        "without_import": figures(quiet),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def preferences(rows: int) -> Iterator[dict]:
    """Rows of about 400 bytes, no two alike."""
    drawn = random.Random(0)
    for number in range(rows):
        words = " ".join(drawn.choices(FRONTS + BACKS, k=40))
        yield {
            "prompt": f"Write note {number} about {words[:60]}.",
            "chosen": f"{words} {number}",
            "rejected": f"{number} {words[::-1]}",
        }


def add_waiting(store: Store, count: int) -> None:
    """So many pairs to be judged."""
    store.prompts.add_many({"text": f"Name {number} things.", "source": "bench"} for number in range(count))
    prompts = store.prompts.all()
    answers = [
        {"prompt_id": prompt.id, "model_name": "bench", "text": f"{side} {prompt.id}"}
        for prompt in prompts
        for side in ("one", "two")
    ]
    ids = store.completions.add_many(answers)
    store.pairs.add_many((prompt.id, ids[2 * n], ids[2 * n + 1]) for n, prompt in enumerate(prompts))


def waits(session: Session, going_on: Callable[[int], bool]) -> list[float]:
    """Seconds of each submit and of each next, in turn."""
    seconds: list[float] = []
    while going_on(len(seconds) // 2):
        began = time.monotonic()
        item = session.next()
        handed = time.monotonic()
        session.submit(Answer(secrets.token_hex(16), item.assignment, "left"))
        seconds += [handed - began, time.monotonic() - handed]
        time.sleep(PAUSE)
    return seconds


def figures(seconds: list[float]) -> dict:
    """The longest wait and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "longest_wait_ms": round(1000 * ordered[-1], 1),
        "wait_p99_ms": round(1000 * ordered[int(0.99 * len(ordered))], 1),
    }


def export_large(home: Path, *, filled: Path | None = None, rows: int = EXPORTED) -> dict:
    """Seconds and peak memory of `preference-loop export` of so many comparisons, for each kind of file in turn.

    `filled`: a home of `large_home` that is exported in place of one made here.
    """
    place = filled or home / "home"
    store = Store(place)
    if filled is None:
        fill(store, pairs=rows // 5, comparisons=rows, labelers=50)
    found: dict = {"comparisons": store.comparisons.count(), "store_mb": round(store.path.stat().st_size / 1e6)}
    for name in ("out.jsonl", "out.jsonl.gz", "out.csv", "out.parquet"):
        file = home / name
        command = [
            sys.executable,
            "-c",
            MEASURED,
            *EXPORT,
            str(file),
            "--what",
            "preferences",
            "--home",
            str(place),
            "--json",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        measured = json.loads(done.stderr.splitlines()[-1])
        written = {"rows": json.loads(done.stdout)["rows"], "file_mb": round(file.stat().st_size / 1e6)}
        found[name.removeprefix("out.")] = written | measured
        file.unlink()
    return found | {"cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1)}

# SPDX-License-Identifier: Apache-2.0
"""Mutated rows of every reader, imported into real stores: no crash, no silent loss (`tests.support.data.import_fuzz`)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from data.formats.registry import FORMATS
from data.store import Store
from tests.attack import Report
from tests.support.data.import_fuzz import Fuzzed, fuzz_reader

ROWS = 10_000
"""Rows of each reader."""
PROCESSES = 2


def main(home: Path, rows: int = ROWS, readers: Sequence[str] = tuple(FORMATS), processes: int = PROCESSES) -> Report:
    """Import that many rows of each reader."""
    homes = [home.parent / name for name in readers]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        results = list(pool.map(attack_reader, readers, homes, [rows] * len(readers)))
    total, good = sum(result.rows for result in results), sum(result.good for result in results)
    line = f"{total:,} rows of {len(readers)} readers, {good:,} of them good"
    return Report(line, [fault for result in results for fault in result.faults])


def attack_reader(name: str, home: Path, rows: int) -> Fuzzed:
    """Import the rows of one reader into a store of its own."""
    store = Store(home)
    try:
        return fuzz_reader(name, rows, store, home)
    finally:
        store.close()

# SPDX-License-Identifier: Apache-2.0
"""Curves and sample texts of runs, in their own file, so training and labeling never wait for each other.

A power loss may lose the last seconds (synchronous=NORMAL).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from data.ids import canonical_json
from data.sqlite.connection import (
    Connections,
    exclusive_lock,
    explain_errors,
    explain_open_errors,
    immediate_transaction,
)

FILE = "metrics.db"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS metrics (run_id INTEGER NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL,"
    " value REAL, PRIMARY KEY (run_id, key, step)) STRICT, WITHOUT ROWID",  # value NULL: not a number
    "CREATE TABLE IF NOT EXISTS samples (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, step INTEGER NOT NULL, row TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS usage (run_id INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS samples_run ON samples (run_id)",
    # How far the curves, the samples and the log of a run on another machine have arrived; log_size: of the file here.
    "CREATE TABLE IF NOT EXISTS arrived (run_id INTEGER PRIMARY KEY, metrics INTEGER NOT NULL, samples INTEGER NOT NULL,"
    " log INTEGER NOT NULL, log_size INTEGER NOT NULL) STRICT",
)
NUMBERED = (
    "CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, step INTEGER NOT NULL,"
    " value REAL) STRICT",
    "CREATE TRIGGER IF NOT EXISTS metrics_numbered AFTER INSERT ON metrics"
    " BEGIN INSERT INTO changes (key, step, value) VALUES (NEW.key, NEW.step, NEW.value); END",
)
"""Numbers the values in the order of their writing, in the home of one run on another machine."""


class Arrived(NamedTuple):
    """The numbers of the last value and the last sample, and the bytes of the log, that have arrived of a run."""

    metrics: int = 0
    samples: int = 0
    log: int = 0


class Metrics:
    """Metrics of running training. A step written again (after a resume) replaces its old value."""

    def __init__(self, home: Path, *, read_only: bool = False) -> None:
        self.path = home / FILE
        self._connections = Connections(self.path, synchronous="normal", read_only=read_only)
        if read_only:
            return
        with explain_open_errors(self.path), exclusive_lock(home / f"{FILE}.lock"):
            database = self._connections.database()
            with immediate_transaction(database):
                for statement in SCHEMA:
                    database.conn.execute(statement)

    def log(self, run_id: int, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step."""
        rows = [(run_id, key, step, float(value)) for key, value in values.items()]
        with explain_errors(self.path), immediate_transaction(self._db) as database:
            database.conn.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", rows)

    def series(self, run_id: int, key: str) -> list[tuple[int, float]]:
        """Return (step, value) in the order of steps; NaN if the value was not a number."""
        sql = "SELECT step, value FROM metrics WHERE run_id = ? AND key = ? ORDER BY step"
        rows = self._db.conn.execute(sql, [run_id, key])
        return [(step, math.nan if value is None else value) for step, value in rows]

    def newest(self, run_id: int, key: str) -> float | None:
        """Return the newest value of a curve; None without one, and if it is not a number."""
        sql = "SELECT value FROM metrics WHERE run_id = ? AND key = ? ORDER BY step DESC LIMIT 1"
        row = self._db.conn.execute(sql, [run_id, key]).fetchone()
        return row[0] if row else None

    def all_series(self, run_id: int) -> dict[str, list[tuple[int, float]]]:
        """Return every curve of the run by name, in alphabetical order, as `series` returns one."""
        curves: dict[str, list[tuple[int, float]]] = {}
        sql = "SELECT key, step, value FROM metrics WHERE run_id = ? ORDER BY key, step"
        for key, step, value in self._db.conn.execute(sql, [run_id]):
            curves.setdefault(key, []).append((step, math.nan if value is None else value))
        return curves

    def with_values(self, run_ids: Sequence[int]) -> set[int]:
        """Return those of the runs that reported a value."""
        sql = "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM metrics WHERE run_id = json_each.value)"
        return {row[0] for row in self._db.conn.execute(sql, [canonical_json(list(run_ids))])}

    def keys(self, run_id: int) -> list[str]:
        """Return the names of the run's curves, in alphabetical order."""
        rows = self._db.conn.execute("SELECT DISTINCT key FROM metrics WHERE run_id = ? ORDER BY key", [run_id])
        return [row[0] for row in rows]

    def count(self, run_id: int) -> int:
        """Return the number of values that the run reported."""
        return self._db.conn.execute("SELECT count(*) FROM metrics WHERE run_id = ?", [run_id]).fetchone()[0]

    def sample(self, run_id: int, step: int, fields: Mapping[str, Any]) -> None:
        """Store one sample (prompt, text, reward, ...) of a step."""
        with explain_errors(self.path), immediate_transaction(self._db) as database:
            values = [run_id, step, canonical_json(dict(fields))]
            database.conn.execute("INSERT INTO samples (run_id, step, row) VALUES (?, ?, ?)", values)

    def samples(self, run_id: int, last: int = 20) -> list[dict[str, Any]]:
        """Return the newest samples, newest first, each with its `step`."""
        sql = "SELECT step, row FROM samples WHERE run_id = ? ORDER BY id DESC LIMIT ?"
        return [{"step": step, **json.loads(row)} for step, row in self._db.conn.execute(sql, [run_id, last])]

    def record_usage(self, run_id: int, used: Mapping[str, float]) -> None:
        """Write what a run's processes use now, in place of what they used before."""
        with explain_errors(self.path), immediate_transaction(self._db) as database:
            values = [run_id, canonical_json(dict(used))]
            database.conn.execute("INSERT OR REPLACE INTO usage VALUES (?, ?)", values)

    def usage(self, run_id: int) -> dict[str, float]:
        """Return what a run's processes used at last; empty if they did not report it."""
        row = self._db.conn.execute("SELECT row FROM usage WHERE run_id = ?", [run_id]).fetchone()
        return json.loads(row[0]) if row else {}

    def number_values(self) -> None:
        """Give every value a number from now on, for `values_after`."""
        with explain_errors(self.path), immediate_transaction(self._db) as database:
            for statement in NUMBERED:
                database.conn.execute(statement)

    def values_after(self, number: int, limit: int) -> list[tuple[int, str, int, float | None]]:
        """Return up to `limit` numbered values (number, curve, step, value) after a number."""
        sql = "SELECT id, key, step, value FROM changes WHERE id > ? ORDER BY id LIMIT ?"
        return self._db.conn.execute(sql, [number, limit]).fetchall()

    def samples_after(self, number: int, limit: int) -> list[tuple[int, int, str]]:
        """Return up to `limit` samples (number, step, JSON) after a number."""
        sql = "SELECT id, step, row FROM samples WHERE id > ? ORDER BY id LIMIT ?"
        return self._db.conn.execute(sql, [number, limit]).fetchall()

    def arrived(self, run_id: int) -> Arrived:
        """Return how far the curves, samples and log of a run on another machine have arrived."""
        row = self._db.conn.execute("SELECT metrics, samples, log FROM arrived WHERE run_id = ?", [run_id]).fetchone()
        return Arrived(*row) if row else Arrived()

    def receive(
        self,
        run_id: int,
        values: Sequence[tuple[int, str, int, float | None]],
        samples: Sequence[tuple[int, int, str]],
        append_log: Callable[[int, int], tuple[int, int]],
    ) -> Arrived:
        """Write what came from another machine and is new here, in one transaction; return how far all has arrived.

        `append_log` gets the bytes that have arrived and the size of the file here, and returns both anew.
        """
        with explain_errors(self.path), immediate_transaction(self._db) as database:
            known = self.arrived(run_id)
            values = [row for row in values if row[0] > known.metrics]
            samples = [row for row in samples if row[0] > known.samples]
            curves = [(run_id, key, step, value) for _, key, step, value in values]
            database.conn.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", curves)
            texts = [(run_id, step, row) for _, step, row in samples]
            database.conn.executemany("INSERT INTO samples (run_id, step, row) VALUES (?, ?, ?)", texts)
            size = database.conn.execute("SELECT log_size FROM arrived WHERE run_id = ?", [run_id]).fetchone()
            log, log_size = append_log(known.log, size[0] if size else 0)
            now_arrived = Arrived(
                max([known.metrics, *(row[0] for row in values)]),
                max([known.samples, *(row[0] for row in samples)]),
                log,
            )
            database.conn.execute(
                "INSERT OR REPLACE INTO arrived VALUES (?, ?, ?, ?, ?)", [run_id, *now_arrived, log_size]
            )
            return now_arrived

    def close(self) -> None:
        """Close the connections of every thread."""
        self._connections.close()

    @property
    def _db(self) -> Database:
        return self._connections.database()

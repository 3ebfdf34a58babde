# SPDX-License-Identifier: Apache-2.0
"""The rows of one run in a store of their own, for a run on another machine.

They come from one moment. Nothing of people is among them: no account, token, verdict, webhook or audit row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils.utils import sqlite3

from data.ids import canonical_json
from data.records import Run
from data.store import FILE, Store
from data.tables.model_rows import INSIDE

OF_SNAPSHOT = """WHERE {column} IN (SELECT json_extract(row, '$.prompt_id') FROM home.snapshot_rows
    WHERE snapshot_id = :snapshot) ORDER BY rowid"""
"""Rows of the prompts of frozen comparisons."""
CLEARED = ["started_at", "ended_at", "heartbeat_at", "progress_at", "pid", "pid_started", "boot_id", "handle", "error"]
"""Columns of a run that begin empty on another machine."""
FRESH = {
    **dict.fromkeys(CLEARED, "NULL"),
    **{"launcher": "'local'", "node": "''", "created_by": "''", "note": "''", "report": "'{}'", "produced": "'[]'"},
    **{"cancel_requested": "0", "done": "0", "total": "0"},
    "state": "CASE id WHEN :run THEN 'queued' ELSE state END",
}
"""The other columns: the run itself is queued there, and those that it resumes keep their ends."""
IN_USE = """WHERE (import_id IS NULL OR import_id NOT IN (SELECT id FROM home.imports WHERE done_at IS NULL))
    AND NOT EXISTS (SELECT 1 FROM home.retracted AS x WHERE x.kind = 'instruction' AND x.row_id = CAST(id AS TEXT))"""
"""Instruction rows of finished imports, without the retracted ones."""
ANSWERED = {"id": "'known-' || id", "text": "''", "token_ids": "'[]'", "sampling": "'{}'"}
"""Columns of earlier answers that only count: a prompt that has fewer is answered first."""
BASE = f"CASE WHEN base LIKE '{INSIDE}%' THEN :home || substr(base, {len(INSIDE) + 1}) ELSE base END"
"""A base in the home, by its place on this machine."""


class NeededRows(NamedTuple):
    """The rows that a run reads.

    `snapshot` is the number of its snapshot, 0 without one. Prompts are all or the snapshot's. `completions`: the
    answers to the snapshot's prompts. `instructions`: all instruction rows. `answered`: the policies whose earlier
    answers count. `project`: the name of its labeling project.
    """

    snapshot: int = 0
    all_prompts: bool = False
    completions: bool = False
    instructions: bool = False
    answered: tuple[int, ...] = ()
    project: str = ""


def copy_run_rows(store: Store, run: Run, home: Path, needed: NeededRows) -> None:
    """Fill a new store in `home` with the rows that a run needs."""
    Store(home).close()
    connection = sqlite3.connect(home / FILE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=delete")  # one file, without a log beside it
        connection.execute("ATTACH ? AS home", [str(store.path)])
        connection.execute("BEGIN")
        _copy_all(connection, store, run, needed)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _copy_all(connection: sqlite3.Connection, store: Store, run: Run, needed: NeededRows) -> None:
    lineage = ", ".join(str(row.id) for row in store.runs.lineage(run))
    values = {"snapshot": needed.snapshot, "run": run.id, "home": f"{store.home.resolve()}/"}
    values |= {"project": needed.project, "answered": canonical_json(needed.answered)}
    _copy(connection, "runs", f"WHERE id IN ({lineage})", values, FRESH)
    _copy(connection, "snapshots", "", values, {})
    _copy(connection, "snapshot_rows", "WHERE snapshot_id = :snapshot", values, {})
    _copy(connection, "prompts", "" if needed.all_prompts else OF_SNAPSHOT.format(column="id"), values, {})
    for table in ("policies", "reward_models"):
        _copy(connection, table, "", values, {"run_id": "NULL", "base": BASE})
    unowned = {"run_id": "NULL", "import_id": "NULL"}
    if needed.completions:
        of_prompts = OF_SNAPSHOT.format(column="prompt_id")
        _copy(connection, "completions", of_prompts, values, unowned)
    if needed.instructions:
        _copy(connection, "instructions", IN_USE, values, {"import_id": "NULL"})
    if needed.answered:
        of_policies = "WHERE policy_id IN (SELECT value FROM json_each(:answered)) ORDER BY rowid"
        _copy(connection, "completions", of_policies, values, unowned | ANSWERED)
    _copy(connection, "projects", "WHERE name = :project AND id != 1", values, {"form": "'{}'"})


def _copy(
    connection: sqlite3.Connection, table: str, where: str, values: dict[str, Any], instead: dict[str, str]
) -> None:
    """Copy rows of a table; `instead` has expressions for some of its columns."""
    columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
    chosen = ", ".join(instead.get(name, name) for name in columns)
    sql = f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {chosen} FROM home.{table} {where}"
    used = {name: value for name, value in values.items() if f":{name}" in sql}
    connection.execute(sql, used)

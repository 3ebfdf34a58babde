# SPDX-License-Identifier: Apache-2.0
"""Check of a home: both databases, references, schema, derived tables, and the model files that rows name.

The check reads one moment of the store and writes nothing, so it may run beside a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils.utils import sqlite3

from data.errors import BadInput
from data.sqlite.damage import no_store, read_only, refuse_lost_store
from data.sqlite.migrations import NAMES
from data.sqlite.schema_objects import APPLIED, compare_schema
from data.store import FILE
from data.tables.metrics import FILE as METRICS
from data.tables.model_rows import INSIDE
from data.views.rebuild_derived import REBUILT, STATEMENTS

MOST = 20
"""Largest number of findings of one kind; more say little."""
COMPARED = {
    "retracted": "SELECT * FROM {}.retracted",
    "pairs": "SELECT id, shown FROM {}.pairs",
    "queue": "SELECT * FROM {}.queue",
    "tallies": "SELECT * FROM {}.tallies WHERE answers != 0",
    "comparison_counts": "SELECT * FROM {}.comparison_counts WHERE n != 0",
    "disputes": "SELECT * FROM {}.disputes",
    "assignments": "SELECT id, done FROM {}.assignments",
    "ranking_tasks": "SELECT id, shown, judged, simulated FROM {}.ranking_tasks",
}
"""Derived rows of each table. Counters may stay at zero, which a rebuild leaves out."""
WEIGHTS = "*.safetensors"


class Finding(NamedTuple):
    """One fault: the kind of check that found it, the file or folder, and the problem in one line."""

    check: str
    file: str
    problem: str


def check_home(home: Path) -> list[Finding]:
    """Return every fault of a home. Raises BadInput if the home has no store."""
    path = home / FILE
    try:
        refuse_lost_store(path)
    except BadInput as lost:
        return [Finding("integrity", FILE, lost.error)]
    if not path.is_file():
        raise no_store(home)
    findings = list(_check_store(path))
    if (home / METRICS).is_file():
        findings += _guarded("integrity", METRICS, home / METRICS, _integrity)
    return findings


def _check_store(path: Path) -> Iterator[Finding]:
    damage = _guarded("integrity", FILE, path, _integrity)
    yield from damage
    if any(not is_index_fault(finding) for finding in damage):
        return
    with read_only(path) as connection:
        applied = {row[0] for row in connection.execute(APPLIED)}
    for unknown in sorted(applied - NAMES):
        yield Finding("schema", FILE, f"it has the change {unknown!r}, which this version does not know")
    yield from _guarded("schema", FILE, path, lambda connection: map(str, compare_schema(connection)))
    yield from _guarded("references", FILE, path, _references)
    if applied == NAMES:
        yield from _guarded("derived", FILE, path, _derived)
        yield from _check_models(path)


def is_index_fault(finding: Finding) -> bool:
    """Return whether a finding of the integrity check concerns an index only, which can be built again."""
    return bool(re.search(r"missing from index|entries in index|non-unique entry in index", finding.problem))


def _guarded(check: str, name: str, path: Path, problems: Callable[[Any], Iterator[str]]) -> list[Finding]:
    """Run one check on a connection of its own; an error of SQLite is a finding as well."""
    findings: list[Finding] = []
    try:
        with read_only(path) as connection:
            for problem in problems(connection):
                findings.append(Finding(check, name, " ".join(problem.split())))
                if len(findings) == MOST:
                    break
    except BadInput as trouble:
        findings.append(Finding(check, name, trouble.error))
    except sqlite3.DatabaseError as error:
        findings.append(Finding(check, name, str(error)))
    return findings


def _integrity(connection: Any) -> Iterator[str]:  # noqa: ANN401 (pysqlite3 has no types)
    for (message,) in connection.execute(f"PRAGMA integrity_check({MOST})"):
        if message != "ok":
            yield from message.split("\n")


def _references(connection: Any) -> Iterator[str]:  # noqa: ANN401 (pysqlite3 has no types)
    query = 'SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2'
    for table, parent, count in connection.execute(query):
        yield f"{count:,} rows of {table} refer to rows of {parent} that are missing"


def _derived(connection: Any) -> Iterator[str]:  # noqa: ANN401 (pysqlite3 has no types)
    """Rebuild the derived tables as temporary ones, which hide the stored ones by name, and compare both."""
    connection.execute("BEGIN")
    for table in REBUILT:
        query = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?"
        (sql,) = connection.execute(query, [table]).fetchone()
        connection.execute(re.sub(r'CREATE TABLE\s+"?\w+"?', f"CREATE TEMP TABLE {table}", sql, count=1))
    for table in ("pairs", "assignments", "ranking_tasks"):
        connection.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
    for statement in STATEMENTS:
        connection.execute(statement)
    for table, query in COMPARED.items():
        stored, rebuilt = query.format("main"), query.format("temp")
        parts = (
            f"SELECT count(*) FROM ({left} EXCEPT {right})" for left, right in ((stored, rebuilt), (rebuilt, stored))
        )
        wrong = max(connection.execute(part).fetchone()[0] for part in parts)
        if wrong:
            yield f"{wrong:,} rows of the derived table {table} differ from the events"


def _check_models(path: Path) -> Iterator[Finding]:
    """Yield each model row whose adapter or base folder is missing, empty or cut."""
    home = path.parent
    query = "SELECT 'p' || id, base, adapter FROM policies UNION ALL SELECT 'r' || id, base, adapter FROM reward_models"
    with read_only(path) as connection:
        rows = connection.execute(query).fetchall()
    for model, base, adapter in rows:
        base = str(home / base.removeprefix(INSIDE)) if base.startswith(INSIDE) else base
        if Path(base).is_absolute() and not Path(base).is_dir():
            yield Finding("files", base, f"the base of {model} is missing")
        if adapter is not None:
            yield from (Finding("files", adapter, f"{problem} ({model})") for problem in _folder_faults(home / adapter))


def _folder_faults(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        yield "the folder is missing"
        return
    if not any(folder.rglob("*")):
        yield "the folder is empty"
    for file in sorted(folder.rglob(WEIGHTS)):
        if not is_whole(file):
            yield f"{file.name} is cut off or damaged"


def is_whole(file: Path) -> bool:
    """Return whether a safetensors file is as long as its head says (https://github.com/huggingface/safetensors)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            return False
        try:
            head = json.loads(stream.read(length))
            ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return False
    return size == 8 + length + max(ends, default=0)

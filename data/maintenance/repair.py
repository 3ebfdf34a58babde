# SPDX-License-Identifier: Apache-2.0
"""Repair of what other rows imply: indexes, triggers, views and derived tables. It never changes an event."""

from __future__ import annotations

from pathlib import Path

from data.maintenance.check import Finding, is_index_fault
from data.sqlite.connection import immediate_transaction
from data.sqlite.schema_objects import compare_schema
from data.store import FILE, Store
from data.views.rebuild_derived import rebuild

RECREATED = ("trigger", "view", "index")


def repair_home(home: Path, findings: list[Finding]) -> None:
    """Repair the findings that can be repaired. A store with damaged pages stays as it is."""
    faults = [finding for finding in findings if finding.file == FILE]
    if any(finding.check == "integrity" and not is_index_fault(finding) for finding in faults):
        return
    checks = {finding.check for finding in faults}
    store = Store(home)
    try:
        if "integrity" in checks:
            store.db.conn.execute("REINDEX")
        if "schema" in checks:
            recreate_objects(store)
        if checks & {"derived", "schema"}:
            rebuild(store)
    finally:
        store.close()


def recreate_objects(store: Store) -> None:
    """Create the triggers, views and indexes that are missing or differ, in one transaction."""
    with immediate_transaction(store.db) as database:
        for difference in compare_schema(database.conn):
            if difference.expected and difference.kind in RECREATED:
                database.conn.execute(f"DROP {difference.kind} IF EXISTS {difference.name}")
                database.conn.execute(difference.expected.sql)

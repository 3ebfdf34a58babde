# SPDX-License-Identifier: Apache-2.0
"""Runs: jobs as rows. Only this module changes the state of a run.

    queued -> running -> done | failed | cancelled | lost          queued -> cancelled          lost -> running

A `running` row of this machine names its process (pid, create time, boot); if that process is gone, the run is `lost`.
Other launchers name a run by their own `handle`, and the `node` on which it works.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json
from data.records import Run
from data.sqlite.table import Table
from data.tables.process_identity import Identity, is_process_alive

ALLOWED_BEFORE = {
    "running": ("queued",),
    "done": ("running",),
    "failed": ("running",),
    "lost": ("running",),
    "cancelled": ("queued", "running"),
}


LOCAL = "local"
"""The launcher of runs on this machine."""
STARTABLE = """SELECT id FROM runs WHERE state = 'queued' AND launcher = 'local'
    AND (kind IN (SELECT value FROM json_each(:beside)) OR NOT EXISTS (SELECT 1 FROM runs WHERE state = 'running'
        AND launcher = 'local' AND kind NOT IN (SELECT value FROM json_each(:beside))))
ORDER BY id LIMIT 1"""


class Runs(Table):
    """The queue, what is running, and the history."""

    def enqueue(self, kind: str, settings: Mapping[str, Any], created_by: str, resumes: int | None = None) -> Run:
        """Queue a job. `resumes`: the run whose checkpoint it continues."""
        row = {"kind": kind, "settings": canonical_json(dict(settings)), "created_by": created_by, "resumes": resumes}
        row["launcher"] = settings.get("launcher") or LOCAL
        return self.get(self._store.insert("runs", row | {"created_at": now()}))

    def get(self, id: int) -> Run:
        """Return the run. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM runs WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.run_unknown", id=id)
        return _run(row)

    def all(self, state: str | None = None) -> list[Run]:
        """Return runs, newest first; of one state if given."""
        sql = "SELECT * FROM runs WHERE ?1 IS NULL OR state = ?1 ORDER BY id DESC"
        return [_run(row) for row in self._store.rows(sql, [state])]

    def lineage(self, run: Run) -> list[Run]:
        """Return the runs that resume each other up to this one, which is the last of them."""
        runs = [run]
        while runs[0].resumes is not None:
            runs.insert(0, self.get(runs[0].resumes))
        return runs

    def ended_after(self, moment: str) -> list[Run]:
        """Return the runs that ended after a stored time, in the order of their ends."""
        rows = self._store.rows("SELECT * FROM runs WHERE ended_at > ? ORDER BY ended_at", [moment])
        return [_run(row) for row in rows]

    def last_end(self) -> str:
        """Return the time at which the last run ended; empty if none did."""
        return self._store.value("SELECT max(ended_at) FROM runs") or ""

    def has_kind(self, kind: str) -> bool:
        """Return whether a run of that kind was ever queued."""
        return bool(self._store.value("SELECT EXISTS (SELECT 1 FROM runs WHERE kind = ?)", [kind]))

    def request_cancel(self, id: int) -> Run:
        """Ask a run to stop: a queued one is cancelled at once, a running one saves first.

        Raises BadInput for a run that has ended.
        """
        with self._store.transaction():
            run = self.get(id)
            if run.over:
                raise BadInput.of("error.run_over", id=id, state=run.state)
            self._store.execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?", [id])
            return self.finish(id, "cancelled") if run.state == "queued" else self.get(id)

    def claim(
        self,
        pid: int | None = None,
        pid_started: float | None = None,
        boot_id: str | None = None,
        beside: Sequence[str] = (),
    ) -> Run | None:
        """Set the oldest queued run that may start on this machine to running and return it; None if there is none.

        A run starts when no other one is running here. Runs of the kinds in `beside` neither wait for others nor keep others
        waiting. A caller that starts another process leaves the process out and records it with `start`.
        """
        with self._store.transaction():
            id = self._store.value(STARTABLE, {"beside": canonical_json(list(beside))})
            return None if id is None else self._run(id, pid=pid, pid_started=pid_started, boot_id=boot_id)

    def claim_elsewhere(self, handle: str, node: str, id: int | None = None) -> Run | None:
        """Set a queued run to running on `node` and return it: run `id`, else the oldest one that waits for a worker.

        A repeated claim with the same `handle` returns the same run. None if nothing waits.
        """
        with self._store.transaction():
            sql = "SELECT id FROM runs WHERE state = 'running' AND launcher != 'local' AND coalesce(:id = id, handle = :handle)"
            claimed = self._store.value(sql, {"id": id, "handle": handle})
            if claimed is not None:
                self.heartbeat(claimed)
                return self.get(claimed)
            id = id or self._store.value(
                "SELECT id FROM runs WHERE state = 'queued' AND launcher = 'worker' ORDER BY id LIMIT 1"
            )
            return None if id is None else self._run(id, handle=self.get(id).handle or handle, node=node)

    def reopen(self, id: int) -> Run:
        """Return the run; a lost one runs again, since its machine was heard, unless another run resumes it.

        Its real end will be sent too.
        """
        run = self.get(id)
        if run.state != "lost":
            return run
        with self._store.transaction():
            run = self.get(id)
            if run.state == "lost" and not self._store.value("SELECT 1 FROM runs WHERE resumes = ?", [id]):
                self._set(id, state="running", heartbeat_at=now(), ended_at=None, error=None)
                self._store.execute("DELETE FROM webhook_deliveries WHERE run_id = ?", [id])
            return self.get(id)

    def cancelled_before_start(self) -> list[Run]:
        """Return the runs that were cancelled in the queue, and for which a launcher still has a name."""
        sql = "SELECT * FROM runs WHERE state = 'cancelled' AND started_at IS NULL AND handle IS NOT NULL"
        return [_run(row) for row in self._store.rows(sql)]

    def set_handle(self, id: int, handle: str | None) -> None:
        """Record the name that a launcher gave to a queued run; None if it has nothing of that name any more."""
        self._set(id, handle=handle)

    def start(self, id: int, pid: int, pid_started: float, boot_id: str) -> Run:
        """Record the process of a queued or claimed run. Raises BadInput for a run that has ended."""
        process = {"pid": pid, "pid_started": pid_started, "boot_id": boot_id}
        with self._store.transaction():
            run = self.get(id)
            if run.state != "running":
                return self._run(id, **process)
            self._set(id, heartbeat_at=now(), **process)
            return self.get(id)

    def heartbeat(self, id: int) -> None:
        """Record that the run is alive."""
        self._set(id, heartbeat_at=now())

    def progress(self, id: int, done: int, total: int, note: str = "") -> None:
        """Record progress, `done` of `total` steps, with a note; it counts as a heartbeat."""
        moment = now()
        self._set(id, done=done, total=total, note=note, heartbeat_at=moment, progress_at=moment)

    def mark_progress(self, id: int) -> None:
        """Record that the run got on, without a step; it counts as a heartbeat."""
        moment = now()
        self._set(id, heartbeat_at=moment, progress_at=moment)

    def finish(
        self,
        id: int,
        state: str,
        error: str | None = None,
        produced: Sequence[str] = (),
        report: Mapping[str, Any] | None = None,
    ) -> Run:
        """Bring a run to its end: `state` done, failed, cancelled or lost.

        Raises BadInput for a move that is not legal.
        """
        end = {"error": error, "produced": canonical_json(list(produced)), "report": canonical_json(dict(report or {}))}
        with self._store.transaction():
            self._move(id, state, ended_at=now(), **end)
            return self.get(id)

    def is_alive(self, run: Run) -> bool:
        """Return whether the process of a running run is alive."""
        if run.pid is None or run.pid_started is None or run.boot_id is None:
            return False
        return is_process_alive(Identity(run.pid, run.pid_started, run.boot_id))

    def _run(self, id: int, **process: Any) -> Run:  # noqa: ANN401 (the values of columns and fields have many types)
        self._move(id, "running", started_at=now(), heartbeat_at=now(), **process)
        return self.get(id)

    def _move(self, id: int, state: str, **values: Any) -> None:  # noqa: ANN401 (the values of columns and fields have many types)
        old = self.get(id).state
        if old not in ALLOWED_BEFORE[state]:
            raise BadInput(f"run{id} is {old} and cannot become {state}")
        self._set(id, state=state, **values)

    def _set(self, id: int, **values: Any) -> None:  # noqa: ANN401 (the values of columns and fields have many types)
        columns = ", ".join(f"{name} = :{name}" for name in values)
        self._store.execute(f"UPDATE runs SET {columns} WHERE id = :id", {"id": id, **values})


def _run(row: Mapping[str, Any]) -> Run:
    parsed = {name: json.loads(row[name]) for name in ("settings", "produced", "report")}
    return Run(**{**row, **parsed, "cancel_requested": bool(row["cancel_requested"])})

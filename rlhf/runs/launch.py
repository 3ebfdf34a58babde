# SPDX-License-Identifier: Apache-2.0
"""Queue a run and follow it. Commands and pages start every run here."""

from __future__ import annotations

import time
from collections.abc import Callable

from data.errors import BadInput
from data.records import Run
from data.settings import as_dict, parse_settings
from data.store import Store
from rlhf.kinds import find_kind, start_command
from rlhf.runs import preflight, supervisor

UNFINISHED = {"draft", "deleted"}
"""Names of the folders that a PPO run leaves if it is killed while it writes or deletes a checkpoint."""


def launch(store: Store, kind: str, settings: list[str] | dict, *, by: str, resumes: int | None = None) -> Run:
    """Queue a run with its complete settings and make sure that a supervisor watches the home.

    Raises BadInput, and queues nothing, for invalid settings and if a preflight check fails.
    """
    definition = find_kind(kind)
    parsed = parse_settings(definition.settings_class(), settings)
    for need in definition.needs:
        preflight.CHECKS[need](store, parsed)
    run = store.runs.enqueue(definition.name, as_dict(parsed), by, resumes=resumes)
    supervisor.ensure(store.home)
    return run


def resume(store: Store, run_id: int, *, by: str) -> Run:
    """Queue a run that continues from an ended run's checkpoint. Raises BadInput if there is none."""
    old = store.runs.get(run_id)
    if old.state not in ("cancelled", "failed", "lost"):
        raise BadInput(
            f"{old.public} is {old.state} and cannot be resumed", "Name a run that was cancelled, failed or lost."
        )
    if not has_checkpoint(store, old):
        raise BadInput(
            f"{old.public} left no checkpoint", f"Start another one: preference-loop {start_command(old.kind)}"
        )
    return launch(store, old.kind, old.settings, by=by, resumes=old.id)


def has_checkpoint(store: Store, run: Run) -> bool:
    """Return whether a run left a checkpoint that another run can resume."""
    return bool({path.name for path in (store.home / "runs" / str(run.id)).glob("checkpoint/*")} - UNFINISHED)


def follow(store: Store, run_id: int, watch: Callable[[Run], None], poll: float = 0.3) -> Run:
    """Wait for the end of a run; call `watch` with its row on every poll. Return the row of the ended run."""
    while True:
        run = store.runs.get(run_id)
        watch(run)
        if run.over:
            return run
        supervisor.ensure(store.home)
        time.sleep(poll)


def run_document(run: Run) -> dict:
    """Return the JSON document of a run: {run, status, produced}, with the error if there is one."""
    document = {"run": run.public, "status": run.state, "produced": run.produced}
    return {**document, "error": run.error} if run.error else document

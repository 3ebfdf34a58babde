# SPDX-License-Identifier: Apache-2.0
"""The server's side of a run on another machine: claims and reports.

A report may arrive twice: numbers say what is new. A token works on one run, and until that run is over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from data.clock import later
from data.errors import Refused
from data.ids import RUN, public_id
from data.records import Run
from data.store import Store
from data.tables.tokens import WorkerToken
from data.version import __version__
from rlhf.runs.disk_use import run_folder

HEARTBEAT_SECONDS = 5.0
"""Seconds between two heartbeats in the store: each waits for the disk."""
Value = tuple[int, str, int, float | str | None]
"""A value of a curve: number, curve, step, and the value; a text if JSON has no number for it."""


class RunOver(Refused):
    """The run has ended, or was given to another machine: nothing of it is taken any more. `ended`: how it ended."""

    ended: dict[str, Any] | None = None


class WrongToken(Refused):
    """The token belongs to another run."""


class Report(BaseModel):
    """News of a run from its worker, about once a second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    progress: tuple[int, int, str] | None = None
    usage: dict[str, float] = {}
    values: list[Value] = []
    samples: list[tuple[int, int, str]] = []
    log_start: int = Field(0, ge=0)
    log: Base64Bytes = b""
    restarted: bool = False


class Claim(BaseModel):
    """A worker that asks for a run. `claim` names this question, so that it can be repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: str = Field(min_length=8, max_length=64)
    node: str = Field(min_length=1, max_length=200)
    version: str


def claim_run(store: Store, token: WorkerToken, claim: Claim) -> dict[str, Any]:
    """Give a waiting run to a worker -> {run, resumes, token}, or {run: None}. A token of a run gets this run alone.

    Raises RunOver for the token of a run that has ended, Refused for another version or a second machine.
    """
    if claim.version != __version__:
        raise Refused.of("train.refused.job_worker_version", server=__version__, own=claim.version[:40])
    with store.transaction():
        if token.run_id is not None:
            open_run(store, token, token.run_id)
        run = store.runs.claim_elsewhere(claim.claim, claim.node, token.run_id)
        if run is None:
            return {"run": None}
        issued = None if token.run_id is not None else store.worker_tokens.issue_for_run(run.id)
        if not store.worker_tokens.bind(run.id, claim.claim):
            raise Refused.of("train.refused.job_other_machine", run=run.public)
    return {"run": run.id, "resumes": run.resumes, "token": issued}


def open_run(store: Store, token: WorkerToken, run_id: int) -> Run:
    """Return the run on which the token works; a lost one runs again, unless another run resumes it.

    Raises WrongToken for another run's token, RunOver if the run has ended.
    """
    if token.run_id != run_id:
        raise WrongToken.of("train.refused.job_token", run=public_id(RUN, run_id))
    run = store.runs.reopen(run_id)
    if run.over:
        raise run_over(run)
    return run


def run_over(run: Run) -> RunOver:
    """Return the error for a run that has ended."""
    problem = RunOver.of("train.refused.job_over", run=run.public, state=run.state)
    problem.ended = {"status": run.state, "produced": run.produced, "error": run.error}
    return problem


def receive_report(store: Store, run: Run, report: Report) -> dict[str, Any]:
    """Write what is new in a report -> {cancel, arrived: {metrics, samples, log}}."""
    values = [(number, key, step, _number(value)) for number, key, step, value in report.values]
    log = run_folder(store, run) / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)

    def append(arrived: int, size: int) -> tuple[int, int]:
        return _append_log(log, report, arrived, size)

    if values or report.samples or report.log:
        arrived = store.metrics.receive(run.id, values, report.samples, append)
    else:
        arrived = store.metrics.arrived(run.id)
    if report.usage and report.usage != store.metrics.usage(run.id):
        store.metrics.record_usage(run.id, report.usage)
    if report.progress:
        store.runs.progress(run.id, *report.progress)
    elif (run.heartbeat_at or "") < later(-HEARTBEAT_SECONDS):
        store.runs.heartbeat(run.id)
    return {"cancel": store.runs.get(run.id).cancel_requested, "arrived": arrived._asdict()}


def _append_log(log: Path, report: Report, arrived: int, size: int) -> tuple[int, int]:
    """Append the new part of a log. What a killed server wrote without noting it is written again in its place."""
    if report.restarted:  # the node's file was cut
        arrived = report.log_start
    new = report.log[arrived - report.log_start :] if report.log_start <= arrived else b""
    if not new:
        return arrived, size
    with log.open("ab") as file:
        if size and file.tell() > size:
            file.truncate(size)
        file.write(new)
        return arrived + len(new), file.tell()


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)

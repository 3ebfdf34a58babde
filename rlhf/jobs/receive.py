# SPDX-License-Identifier: Apache-2.0
"""The server's side of a run on another machine: claims, reports and checkpoints.

A report may arrive twice: numbers say what is new. A token works on one run, and until that run is over.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from data.clock import later
from data.errors import BadInput, Refused
from data.records import Run
from data.store import Store
from data.tables.tokens import WorkerToken
from data.version import __version__
from rlhf.jobs.archive import unpack
from rlhf.runs.disk_use import run_folder

DRAFTS = (".checkpoint.", ".result.")
"""Prefixes of folders in a run's folder into which archives are unpacked."""
FORMER = ".former"
"""Name of a checkpoint in the moment in which another one takes its place."""
HEARTBEAT_SECONDS = 5.0
"""Seconds between two heartbeats in the store: each waits for the disk."""
SWAPS = threading.Lock()
"""Held while a checkpoint takes the place of the former one."""
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
        error = f"the server has version {__version__} of this program, and the worker {claim.version[:40]}"
        raise Refused(error, "Install the server's version on the node.")
    with store.transaction():
        if token.run_id is not None:
            open_run(store, token, token.run_id)
        run = store.runs.claim_elsewhere(claim.claim, claim.node, token.run_id)
        if run is None:
            return {"run": None}
        issued = None if token.run_id is not None else store.worker_tokens.issue_for_run(run.id)
        if not store.worker_tokens.bind(run.id, claim.claim):
            raise Refused(f"another machine works on {run.public}", "End its worker, or wait for it.")
    return {"run": run.id, "resumes": run.resumes, "token": issued}


def open_run(store: Store, token: WorkerToken, run_id: int) -> Run:
    """Return the run on which the token works; a lost one runs again, unless another run resumes it.

    Raises WrongToken for another run's token, RunOver if the run has ended.
    """
    if token.run_id != run_id:
        raise WrongToken(f"this token is not of run{run_id}", "Give the token that belongs to the run.")
    run = store.runs.reopen(run_id)
    if run.over:
        raise run_over(run)
    return run


def run_over(run: Run) -> RunOver:
    """Return the error for a run that has ended."""
    problem = RunOver(f"{run.public} is {run.state}", "Nothing more is taken for it.")
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


def receive_checkpoint(store: Store, run: Run, archive: Path) -> None:
    """Replace the run's checkpoints by those of an archive: whole, or not at all. Raises BadInput for an empty one."""
    folder = run_folder(store, run)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=DRAFTS[0], dir=folder) as place:
        new = Path(place) / "checkpoint"
        unpack(archive, Path(place), (new.name,))
        if not new.is_dir():
            raise BadInput("the archive holds no checkpoint", "Send it again.")
        store.runs.heartbeat(run.id)
        with SWAPS:
            if (folder / "checkpoint").exists():
                shutil.rmtree(folder / FORMER, ignore_errors=True)
                (folder / "checkpoint").rename(folder / FORMER)
            new.rename(folder / "checkpoint")
            shutil.rmtree(folder / FORMER, ignore_errors=True)


def delete_leftovers(home: Path) -> None:
    """Delete the unfinished files of a server that was killed, and take up a checkpoint that it was replacing.

    Call it when no server works on the home.
    """
    unfinished = [path for draft in DRAFTS for path in (home / "runs").glob(f"*/{draft}*")]
    for path in [*unfinished, *(home / "cache").glob(".*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for former in (home / "runs").glob(f"*/{FORMER}"):
        if (former.parent / "checkpoint").exists():
            shutil.rmtree(former)
        else:
            former.rename(former.parent / "checkpoint")


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

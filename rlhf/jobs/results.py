# SPDX-License-Identifier: Apache-2.0
"""The end of a run on another machine: packed there, published here in one transaction.

An end that arrives twice is published once, with its models, its rows and its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from data.ids import SNAPSHOT, public_id
from data.records import Run
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.clinic.examination import FILE as EXAMINATION
from rlhf.jobs.archive import pack, unpack
from rlhf.jobs.job_home import Job
from rlhf.jobs.receive import run_over
from rlhf.jobs.receive_checkpoint import DRAFTS, delete_checkpoint
from rlhf.jobs.result_models import Produced, describe_models, publish_model
from rlhf.jobs.result_rows import Rows, collect_rows, judge_partially, publish_rows
from rlhf.runs.disk_use import run_folder
from rlhf.runs.launch import judge_trained

RESULT, ROWS = "result.json", "rows.json"
MODELS, FILES = "models", "files"
"""Folders of an archive: the folders of what a run produced, by their ids on the node, and files of the run."""
OF_KINDS = {"embed": (EXAMINATION,)}
"""Files in the run's folder that are a part of the result."""
ASSIGNED = ("id", "created_at", "adapter", "run_id")
"""Columns that the server fills."""
NAMES_OF_BASES = ("reward.json", "adapter_config.json")
"""Files of a model that name the folder of its base."""


class End(BaseModel):
    """The end of a run as its node tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: str
    error: str | None
    report: dict[str, Any]
    produced: list[Produced]


def pack_end(job: Job, store: Store, out: Path) -> None:
    """Write the end of a job's run and what it produced to `out`."""
    run = job.run(store)
    produced, folders = describe_models(job, store, run)
    end = End(state=run.state, error=run.error, report=run.report, produced=produced)
    places = [(folder, f"{MODELS}/{name}") for folder, name in folders]
    places += [(job.run_folder / name, f"{FILES}/{name}") for name in OF_KINDS.get(run.kind, ())]
    rows = collect_rows(store, run)
    pack(out, [(RESULT, end.model_dump_json()), (ROWS, rows.model_dump_json())], places)


def pack_failure(error: str, out: Path) -> None:
    """Write the end of a run that could not begin to `out`."""
    end = End(state="failed", error=error, report={}, produced=[])
    pack(out, [(RESULT, end.model_dump_json())], [])


def publish_end(store: Store, run: Run, archive: Path) -> Run:
    """Write the end of a run with all that it produced, and return its row; nothing for a run that has ended.

    Raises BadInput, and changes nothing, for an archive that does not fit the run; RunOver if another run resumes it.
    """
    own = run_folder(store, run)
    own.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=DRAFTS[1], dir=own) as place:
        folder = Path(place)
        unpack(archive, folder, (RESULT, ROWS, MODELS, FILES))
        end, rows = _read_end(folder / RESULT), _read_rows(folder / ROWS)
        with store.transaction():
            run = store.runs.reopen(run.id)
            if run.state == "lost":
                raise run_over(run)
            if run.over:
                return run
            snapshots, notes = publish_rows(store, run, rows)
            names = {
                model.id: publish_model(store, run, model, folder / MODELS / model.id, snapshots)
                for model in end.produced
            }
            report = _renamed(end.report, names, snapshots) | judge_partially(store, run, end.report)
            report |= {"notes": [*report.get("notes", []), *notes]} if notes else {}
            if end.state == "done":
                report = judge_trained(store, run, report)
            run = store.runs.finish(run.id, end.state, error=end.error, produced=list(names.values()), report=report)
            _move_files(folder / FILES, own, run)
    if run.state == "done":
        delete_checkpoint(own)
    return run


def _read_end(file: Path) -> End:
    try:
        end = End.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as problem:
        raise bad_input("refused.job_result", problem=str(problem).splitlines()[0]) from None
    if end.state not in ("done", "failed", "cancelled", "lost") or (end.produced and end.state != "done"):
        raise bad_input("refused.job_end", state=end.state)
    return end


def _read_rows(file: Path) -> Rows:
    try:
        return Rows.model_validate_json(file.read_bytes()) if file.is_file() else Rows()
    except ValidationError as problem:
        raise bad_input("refused.job_rows", problem=str(problem).splitlines()[0]) from None


def _move_files(folder: Path, own: Path, run: Run) -> None:
    """Move the files of a result into the folder of its run. Those of another kind of run are left."""
    for name in OF_KINDS.get(run.kind, ()):
        if (folder / name).is_file():
            (folder / name).replace(own / name)


def _renamed(report: dict[str, Any], names: Mapping[str, str], snapshots: Mapping[int, int]) -> dict[str, Any]:
    """Return the report with the folder of a base, and the snapshots of its rounds, as they are called here."""
    folders = {f"policies/{old}": f"policies/{new}" for old, new in names.items()}
    frozen = {public_id(SNAPSHOT, old): public_id(SNAPSHOT, new) for old, new in snapshots.items()}
    changed: dict[str, Any] = {"folder": folders[report["folder"]]} if report.get("folder") in folders else {}
    if frozen and isinstance(rounds := report.get("rounds"), list):
        changed["rounds"] = [part | {"snapshot": frozen.get(part.get("snapshot"))} for part in rounds]
    return report | changed

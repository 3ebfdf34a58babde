# SPDX-License-Identifier: Apache-2.0
"""The end of a run on another machine: packed there, published here in one transaction.

An end that arrives twice is published once. The rows of the results name only what the run was given: its parents, its
snapshot and its bases.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from data.errors import BadInput, Refused
from data.ids import POLICY
from data.records import Policy, RewardModel, Run
from data.store import Store
from rlhf.jobs.archive import pack, unpack
from rlhf.jobs.bundle import base_names, needed_models
from rlhf.jobs.job_home import Job
from rlhf.jobs.receive import DRAFTS, run_over
from rlhf.runs.disk_use import run_folder
from rlhf.runs.launch import judge_trained

RESULT = "result.json"
MODELS = "models"
"""Folder of an archive with the folders of what a run produced, by their ids on the node."""
ASSIGNED = ("id", "created_at", "adapter", "run_id")
"""Columns that the server fills."""
NAMES_OF_BASES = ("reward.json", "adapter_config.json")
"""Files of a model that name the folder of its base."""


class Produced(BaseModel):
    """A policy or a reward model: its id and columns on the node, and whether its folder is a base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[pr][0-9]+$")
    is_base: bool
    columns: dict[str, Any]


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
    models = [_model(store, name) for name in run.produced]
    produced = [_describe(job, model) for model in models]
    end = End(state=run.state, error=run.error, report=run.report, produced=produced)
    folders = [(_folder(store, model), f"{MODELS}/{model.public}") for model in models]
    for folder, _ in folders:
        _rename_bases(job, folder)
    pack(out, [(RESULT, end.model_dump_json())], folders)


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
        unpack(archive, folder, (RESULT, MODELS))
        end = _read_end(folder / RESULT)
        with store.transaction():
            run = store.runs.reopen(run.id)
            if run.state == "lost":
                raise run_over(run)
            if run.over:
                return run
            names = {model.id: _publish(store, run, model, folder / MODELS / model.id) for model in end.produced}
            report = _renamed(end.report, names)
            if end.state == "done":
                report = judge_trained(store, run, report)
            run = store.runs.finish(run.id, end.state, error=end.error, produced=list(names.values()), report=report)
    if run.state == "done":
        shutil.rmtree(own / "checkpoint", ignore_errors=True)
    return run


def _read_end(file: Path) -> End:
    try:
        end = End.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as problem:
        raise BadInput(f"the result cannot be read: {str(problem).splitlines()[0]}", "Send it again.") from None
    if end.state not in ("done", "failed", "cancelled", "lost") or (end.produced and end.state != "done"):
        raise BadInput(f"a run that is {end.state!r} cannot end so", "Send another result.")
    return end


def _publish(store: Store, run: Run, model: Produced, folder: Path) -> str:
    """Add one model to the store and return its id here."""
    if not folder.is_dir():
        raise BadInput(f"the result holds no folder of {model.id}", "Send it again.")
    parents = needed_models(store, run)
    columns = _columns(model) | {"run_id": run.id}
    _refuse_foreign(run, parents, model, columns)
    if model.is_base:
        columns.pop("base")
        return store.policies.publish_base(folder, **columns).public
    table = store.policies if model.id.startswith(POLICY) else store.reward_models
    return table.publish(folder, **columns).public


def _columns(model: Produced) -> dict[str, Any]:
    """Return the columns of a model. Their names become a part of a statement, so only those of its table may come.

    Raises BadInput for another column, and for a value of another type.
    """
    is_policy = model.id.startswith(POLICY)
    record: TypeAdapter[Policy | RewardModel] = TypeAdapter(Policy if is_policy else RewardModel)
    try:
        columns = asdict(record.validate_python(model.columns))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise BadInput(f"{model.id}: {first['loc'][0]}: {first['msg']}", "Send another result.") from None
    unknown = model.columns.keys() - columns.keys()
    if unknown or (model.is_base and not is_policy):
        name = min(unknown, default="is_base")
        raise BadInput(f"{model.id} has no column {name[:80]!r}", "Send another result.")
    return {name: value for name, value in columns.items() if name not in ASSIGNED}


def _refuse_foreign(run: Run, parents: list[Policy | RewardModel], model: Produced, columns: Mapping[str, Any]) -> None:
    """Raise BadInput for a row that names what its run was not given."""
    snapshot = run.settings.get("snapshot", "")
    given: dict[str, set[Any]] = {
        "parent_id": {parent.id for parent in parents if isinstance(parent, Policy)},
        "reward_model_id": {parent.id for parent in parents if isinstance(parent, RewardModel)},
        "snapshot_id": {parent.snapshot_id for parent in parents} | ({int(snapshot[1:])} if snapshot else set()),
        "base": set(base_names(run, parents)) | ({model.columns.get("base")} if model.is_base else set()),
    }
    for name, allowed in given.items():
        value = columns.get(name)
        if value is not None and value not in allowed:
            raise Refused(f"{model.id} names {name} {value!r}, which {run.public} was not given", "Start it again.")


def _renamed(report: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the report with the folder of a base as it is called here."""
    folders = {f"policies/{old}": f"policies/{new}" for old, new in names.items()}
    return report | ({"folder": folders[report["folder"]]} if report.get("folder") in folders else {})


def _model(store: Store, name: str) -> Policy | RewardModel:
    return store.policies.get(name) if name.startswith(POLICY) else store.reward_models.get(name)


def _describe(job: Job, model: Policy | RewardModel) -> Produced:
    config = {key: job.base_name(value) if key == "base" else value for key, value in model.config.items()}
    columns = asdict(model) | {"base": job.base_name(model.base), "config": config}
    return Produced(id=model.public, is_base=model.adapter is None, columns=columns)


def _folder(store: Store, model: Policy | RewardModel) -> Path:
    return store.home / model.adapter if model.adapter else Path(model.base)


def _rename_bases(job: Job, folder: Path) -> None:
    """Write the server's names of bases into the files of a model."""
    for file in (path for name in NAMES_OF_BASES for path in folder.rglob(name)):
        text = file.read_text(encoding="utf-8")
        for name, place in job.moved.items():
            text = text.replace(json.dumps(place), json.dumps(name))
        file.write_text(text, encoding="utf-8")

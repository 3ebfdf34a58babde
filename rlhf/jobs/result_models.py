# SPDX-License-Identifier: Apache-2.0
"""Models that a run on another machine made: described there, published here.

The row of a model names only what the run was given: its parents, its snapshot and its bases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from data.errors import Refused
from data.ids import POLICY
from data.records import Policy, RewardModel, Run
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.jobs.bundle import base_names, needed_models
from rlhf.jobs.job_home import Job
from rlhf.models.start_policy import BEST_OF_N

ASSIGNED = ("id", "created_at", "adapter", "run_id")
"""Columns that the server fills."""
NAMES_OF_BASES = ("reward.json", "adapter_config.json")
"""Files of a model that name the folder of its base."""


class Produced(BaseModel):
    """A policy or a reward model: its id and columns on the node, and whether its folder is a base.

    `is_shared`: it has no folder of its own, and answers with the weights of its parent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[pr][0-9]+$")
    is_base: bool
    is_shared: bool = False
    columns: dict[str, Any]


def describe_models(job: Job, store: Store, run: Run) -> tuple[list[Produced], list[tuple[Path, str]]]:
    """Return what a run produced, and the folders of it by their names in an archive."""
    models = [_model(store, name) for name in run.produced]
    own = [model for model in models if not _is_shared(model)]
    for model in own:
        _rename_bases(job, _folder(store, model))
    return [_describe(job, model) for model in models], [(_folder(store, model), model.public) for model in own]


def publish_model(store: Store, run: Run, model: Produced, folder: Path, snapshots: Mapping[int, int]) -> str:
    """Add one model with its folder to the store and return its id here.

    `snapshots` has the numbers here of those that the run froze there. Raises BadInput for a model that does not fit.
    """
    if not model.is_shared and not folder.is_dir():
        raise bad_input("refused.job_no_folder", model=model.id)
    parents = needed_models(store, run)
    columns = _columns(model) | {"run_id": run.id}
    is_frozen = columns.get("snapshot_id") in snapshots
    _refuse_foreign(run, parents, model, columns | ({"snapshot_id": None} if is_frozen else {}))
    columns["snapshot_id"] = snapshots[columns["snapshot_id"]] if is_frozen else columns.get("snapshot_id")
    if model.is_shared:
        return store.policies.add(**columns, adapter=_shared_adapter(parents, model, columns)).public
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
        raise bad_input("refused.job_value", model=model.id, column=first["loc"][0], problem=first["msg"]) from None
    unknown = model.columns.keys() - columns.keys()
    if unknown or ((model.is_base or model.is_shared) and not is_policy):
        name = min(unknown, default="is_base" if model.is_base else "is_shared")
        raise bad_input("refused.job_no_column", model=model.id, name=name[:80])
    return {name: value for name, value in columns.items() if name not in ASSIGNED}


def _shared_adapter(parents: list[Policy | RewardModel], model: Produced, columns: Mapping[str, Any]) -> str | None:
    """Return the adapter of the parent whose weights a policy shares. Raises BadInput without such a parent."""
    for parent in parents:
        if isinstance(parent, Policy) and parent.id == columns["parent_id"] and columns["kind"] == BEST_OF_N:
            return parent.adapter
    raise bad_input("refused.job_no_parent", model=model.id)


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
            about = {"model": model.id, "name": name, "value": value, "run": run.public}
            raise bad_input("refused.job_foreign", kind=Refused, **about)


def _model(store: Store, name: str) -> Policy | RewardModel:
    return store.policies.get(name) if name.startswith(POLICY) else store.reward_models.get(name)


def _is_shared(model: Policy | RewardModel) -> bool:
    """Return whether a model has no folder of its own."""
    return isinstance(model, Policy) and model.kind == BEST_OF_N


def _describe(job: Job, model: Policy | RewardModel) -> Produced:
    config = {key: job.base_name(value) if key == "base" else value for key, value in model.config.items()}
    columns = asdict(model) | {"base": job.base_name(model.base), "config": config}
    is_shared = _is_shared(model)
    return Produced(
        id=model.public, is_base=model.adapter is None and not is_shared, is_shared=is_shared, columns=columns
    )


def _folder(store: Store, model: Policy | RewardModel) -> Path:
    return store.home / model.adapter if model.adapter else Path(model.base)


def _rename_bases(job: Job, folder: Path) -> None:
    """Write the server's names of bases into the files of a model."""
    for file in (path for name in NAMES_OF_BASES for path in folder.rglob(name)):
        text = file.read_text(encoding="utf-8")
        for name, place in job.moved.items():
            text = text.replace(json.dumps(place), json.dumps(name))
        file.write_text(text, encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0
"""The bundle of a run: a small store of its own with the rows that it needs, its adapters, and its checkpoint.

The rows come from one moment. Nothing of people leaves this home: no account, token, verdict, webhook or audit row.
Bases are named with the hash of their files and never sent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from data.errors import BadInput
from data.ids import POLICY, REWARD_MODEL, SNAPSHOT, parse_id
from data.records import Policy, RewardModel, Run
from data.store import FILE, Store
from data.version import __version__
from data.views.retracted_rows import refuse_retracted
from data.views.run_rows import NeededRows, copy_run_rows
from labeling.quality.agreement import MEASURED, write_agreement
from rlhf.jobs.archive import pack
from rlhf.jobs.base_files import find_base, hash_base
from rlhf.launchers.elsewhere import BUNDLES, JOB_FILE
from rlhf.models.start_policy import BEST_OF_N
from rlhf.ppo.settings import NO_GUARD
from rlhf.runs.disk_use import run_folder
from rlhf.runs.processes.plan import ACCELERATE_CONFIG

ALL_PROMPTS = ("sft", "ppo", "rejection", "best-of-n", "sample", "compare", "embed")
"""Kinds of run that read prompts beside their snapshot's."""
SCORED = ("ppo", "rejection", "best-of-n", "compare")
"""Kinds of run whose setting `reward` names the reward model that scores answers."""


def find_bundle(store: Store, run: Run) -> Path:
    """Return the file of a run's bundle, made once: a run that is claimed again gets the same one.

    Raises as `make_bundle`, also if rows of the run's snapshot were retracted meanwhile.
    """
    folder = store.home / "cache" / BUNDLES
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run.public}-{__version__}.tar"
    if file.is_file():
        if snapshot := run.settings.get("snapshot"):
            refuse_retracted(store, store.snapshots.get(snapshot), store.snapshots.rows(snapshot))
        return file
    draft = folder / f".{secrets.token_hex(16)}.tar"
    try:
        make_bundle(store, run, draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def make_bundle(store: Store, run: Run, out: Path) -> None:
    """Write the bundle of a run to `out`. Raises BadInput if something that the run needs is missing."""
    models = needed_models(store, run)
    adapters = list(
        {model.adapter: (store.home / model.adapter, model.adapter) for model in models if model.adapter}.values()
    )
    for folder, name in adapters:
        if not folder.is_dir():
            raise BadInput.of("train.refused.bundle_adapter", folder=name)
    before = [] if run.resumes is None else [run_folder(store, store.runs.get(run.resumes)) / "checkpoint"]
    folders = [*adapters, *((folder, f"runs/{run.resumes}/checkpoint") for folder in before)]
    about = {"run": run.id, "kind": run.kind, "version": __version__, "bases": _bases(store, run, models)}
    with TemporaryDirectory(prefix=".bundle.", dir=out.parent) as place:
        home = Path(place) / "home"
        snapshot = parse_id(run.settings["snapshot"], SNAPSHOT) if run.settings.get("snapshot") else 0
        frozen = store.snapshots.rows(snapshot) if snapshot else []
        if snapshot:
            refuse_retracted(store, store.snapshots.get(snapshot), frozen)
        copy_run_rows(store, run, home, _needed_rows(run, snapshot, models))
        if run.kind == "reward":
            write_agreement(store, home, {"person", *(row["source"] for row in frozen)})
        rows = [(home / name, name) for name in (FILE, MEASURED)]
        plan = store.home / ACCELERATE_CONFIG
        rows += [(plan, plan.name)] if plan.is_file() else []
        pack(out, [(JOB_FILE, json.dumps(about, indent=2))], [*rows, *folders])


def bundle_places(resumes: int | None) -> tuple[str, ...]:
    """Return the names under which the bundle of a run may hold files."""
    checkpoint = () if resumes is None else (f"runs/{resumes}/checkpoint",)
    return JOB_FILE, FILE, MEASURED, ACCELERATE_CONFIG, "policies", "rewards", *checkpoint


def needed_models(store: Store, run: Run) -> list[Policy | RewardModel]:
    """Return the policies and reward models that a run's settings name. Raises BadInput for an unknown one."""
    names = run.settings.get
    wanted = [names("from", ""), *names("policies", ()), names("against", "")]
    policies = [store.policies.get(parse_id(name, POLICY)) for name in dict.fromkeys(wanted) if name]
    if run.kind == "compare" and not names("against"):
        policies += [store.policies.get(policy.parent_id) for policy in policies if policy.parent_id]
    rewards = [names("reward", ""), names("guard", "") if run.kind == "ppo" else ""] if run.kind in SCORED else []
    rewards += [policy.config["reward"] for policy in policies if policy.kind == BEST_OF_N]
    rewards = [name for name in dict.fromkeys(rewards) if name not in ("", NO_GUARD)]
    return [*policies, *(store.reward_models.get(parse_id(name, REWARD_MODEL)) for name in rewards)]


def _needed_rows(run: Run, snapshot: int, models: Iterable[Policy | RewardModel]) -> NeededRows:
    """Return the rows that a run of this kind reads."""
    return NeededRows(
        snapshot,
        all_prompts=run.kind in ALL_PROMPTS,
        completions=run.kind == "reward",
        instructions=run.kind == "embed",
        answered=tuple(model.id for model in models if isinstance(model, Policy)) if run.kind == "sample" else (),
        project=run.settings.get("project", ""),
    )


def base_names(run: Run, models: Iterable[Policy | RewardModel]) -> list[str]:
    """Return the bases that a run loads, by the names that this home has for them."""
    return list(dict.fromkeys([*(model.base for model in models), *filter(None, [run.settings.get("base")])]))


def _bases(store: Store, run: Run, models: Iterable[Policy | RewardModel]) -> dict[str, str]:
    """Return the hash of each base's files by the base's name. Raises BadInput for one that is not on this machine."""
    bases = {}
    for name in base_names(run, models):
        folder = find_base(name)
        if folder is None:
            raise BadInput.of("train.refused.bundle_base", name=name)
        bases[name] = hash_base(folder)
    return bases

# SPDX-License-Identifier: Apache-2.0
"""Queue a run and follow it. Commands and pages start every run here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.logs import LOG
from data.records import Run
from data.settings import as_dict, parse_settings
from data.store import Store
from data.tables.runs import LOCAL
from data.views.frozen_rows import NOTE
from labeling.texts.pages import bad_input, stored_line, text
from reward.placement_settings import AUTO, PROCESS_KEYS, SHARDED, PlacementSettings
from rlhf.kinds import Kind, find_kind, start_command
from rlhf.launchers.elsewhere import is_job_home
from rlhf.ppo.settings import NO_GUARD
from rlhf.runs import preflight, supervisor
from rlhf.runs.resolve import resolve
from rlhf.settings import JudgedSettings, TemplateSettings

UNFINISHED = {"draft", "deleted"}
"""Names of the folders that a PPO run leaves if it is killed while it writes or deletes a checkpoint."""
FORMER: dict[str, dict[str, Any]] = {
    "ppo": {"estimator": "gae"},
    "reward": {"method": "lora", "epochs": 1, "guard": "no"},
}
"""The settings of earlier versions, by kind, for runs that were stored before these settings existed."""
ROLLOUTS = "rollouts"
"""The setting with the servers that sample."""
SHARED = {*PlacementSettings.model_fields, *TemplateSettings.model_fields, "max_new_tokens", "project"} - {"launcher"}
"""Settings of a training that also hold for the answers to judge, which are sampled on this machine."""


def launch(store: Store, kind: str, settings: list[str] | dict, *, by: str, resumes: int | None = None) -> Run:
    """Queue a run with its complete settings and make sure that a supervisor watches the home.

    Raises BadInput, and queues nothing, for invalid settings and if a preflight check fails.
    """
    run = enqueue(store, kind, settings, by=by, resumes=resumes)
    supervisor.ensure(store.home)
    return run


def enqueue(store: Store, kind: str, settings: list[str] | dict, *, by: str, resumes: int | None = None) -> Run:
    """Queue a run with its complete settings, for the supervisor that watches the home.

    Defaults such as "the newest policy" are resolved here, so the run's row names what it uses.
    Raises BadInput, and queues nothing, for invalid settings and if a preflight check fails.
    """
    definition = find_kind(kind)
    parsed = parse_settings(definition.settings_class(), settings)
    preflight.check(store, definition, parsed)
    resolved = as_dict(resolve(store, definition, parsed, by))
    if resumes is not None:
        _refuse_other_settings(store.runs.get(resumes), resolved)
    return store.runs.enqueue(definition.name, resolved, by, resumes=resumes)


def judge_trained(store: Store, run: Run, report: dict[str, Any]) -> dict[str, Any]:
    """Queue the pairs that judge what a run trained, all or none; return the report that names their run.

    What goes wrong is logged, and the training counts all the same. A node leaves it to the server.
    """
    if is_job_home(store.home):
        return report
    try:
        with store.transaction():
            return queue_judging(store, run, find_kind(run.kind), report)
    except Exception:
        LOG.exception("no pairs were queued to judge the policy of %s", run.public)
        return report


def queue_judging(store: Store, run: Run, kind: Kind, report: dict[str, Any]) -> dict[str, Any]:
    """Queue the run that samples blind pairs of a trained policy against its parent; return the report that names it.

    It is a run of its own, so its failure costs no training. No pair is queued for a policy that equals its parent, nor
    in a home where only simulated labelers have labeled. If the sampling is refused, a note says why.
    """
    settings = parse_settings(kind.settings_class(), run.settings)
    wanted = settings.judge_pairs if isinstance(settings, JudgedSettings) else 0
    policy = next((row for row in reversed(store.policies.all()) if row.run_id == run.id and row.parent_id), None)
    labels = store.comparisons
    if not wanted or policy is None or report.get("checkpoint") == 0:
        return report
    if labels.count("simulated") and not labels.count("person"):
        return report
    assert policy.parent_id is not None
    against = {"from": policy.public, "against": public_id(POLICY, policy.parent_id)}
    here = SHARED if run.launcher == LOCAL else SHARED.difference(PlacementSettings.model_fields)
    shared = {name: value for name, value in as_dict(settings).items() if name in here and value != SHARDED}
    try:
        sampling = enqueue(
            store, "sample", shared | against | {"prompts": wanted, "until_decided": True}, by=run.created_by
        )
    except BadInput as problem:
        note = stored_line("note.not_judged", policy=policy.public, reason=problem.error)
        return report | {"notes": [*report.get("notes", []), note]}
    return report | {"judged_by": sampling.public}


def resume(store: Store, run_id: int, *, by: str, **changes: str | None) -> Run:
    """Queue a run that continues from an ended run's checkpoint.

    `changes`: settings that may differ, None for as before: `processes`, `rollouts` (other servers) and `launcher`.

    Raises BadInput if there is no checkpoint, and for servers of a run that had none.
    """
    old = store.runs.get(run_id)
    if old.state not in ("cancelled", "failed", "lost"):
        raise bad_input("need.ended_run", run=old.public, state=text(f"runs.state_{old.state}"))
    if not has_checkpoint(store, old):
        raise bad_input("need.checkpoint", run=old.public, command=start_command(old.kind))
    changed = {key: value for key, value in changes.items() if value is not None}
    settings = {**former_settings(old), **_frozen_rows(store, old), **changed}
    if changes.get("processes") == "1" and settings.get("strategy") == SHARDED:
        settings["strategy"] = AUTO
    return launch(store, old.kind, settings, by=by, resumes=old.id)


def former_settings(run: Run) -> dict[str, Any]:
    """Return a run's settings, with the values that an earlier version had where one has no setting yet."""
    settings = (FORMER.get(run.kind, {}) if run.settings else {}) | run.settings
    return settings | ({"guard": NO_GUARD} if run.kind == "ppo" and settings.get("guard") == "" else {})


def _frozen_rows(store: Store, run: Run) -> dict[str, str]:
    """Return the snapshot that a run of an earlier version froze when it worked, if its settings name none."""
    note = store.home / "runs" / str(run.id) / "checkpoint" / NOTE
    if run.settings.get("snapshot") != "" or not note.is_file():
        return {}
    return {"snapshot": json.loads(note.read_text(encoding="utf-8"))["snapshot"]}


def _refuse_other_settings(old: Run, resolved: dict) -> None:
    """Raise BadInput if a run would continue from a checkpoint with other settings than those it was made with.

    Empty settings are of runs that an earlier version queued.
    """
    for key, value in resolved.items():
        before = old.settings.get(key, "")
        if _differs(key, before, value):
            about = {"public": old.public, "name": key, "old": before, "value": value}
            raise bad_input("refused.other_setting", field=key, command=start_command(old.kind), **about)


def _differs(key: str, before: object, value: object) -> bool:
    """Return whether a resumed run would give another result.

    Other servers give the same, but servers and a run's own processes have different noise.
    """
    if key == ROLLOUTS:
        return bool(before) != bool(value)
    return key not in PROCESS_KEYS and before not in ("", value)


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
    """Return the JSON document of a run: {run, status, produced}, with its notes and its error if there are any."""
    document: dict = {"run": run.public, "status": run.state, "produced": run.produced}
    if run.report.get("notes"):
        document["notes"] = run.report["notes"]
    if run.node:
        document["node"] = run.node
    return {**document, "error": run.error} if run.error else document

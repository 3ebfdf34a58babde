# SPDX-License-Identifier: Apache-2.0
"""The run kinds `export` and `merge`: a model as one file, and a policy merged into its base. Imports no torch.

An export lies in the home's folder `exports`, and pages offer it for download. It is a zip without compression, since
weights hardly shrink. It appears whole or not at all. It replaces an older file of the same model and form.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, ZipFile

from data.records import Policy, RewardModel
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import Settings, StartPolicy, option
from data.transfer.exporting import export_model
from labeling.texts.pages import bad_input
from reward.base.locate import locate
from reward.model_shape import ModelShape
from rlhf.models.start_policy import choose_start
from rlhf.runs.base_files import base_folder
from rlhf.runs.disk_use import EXPORT_DRAFT, count_bytes

MERGED_WEIGHT = 4
"""Bytes of a weight in a merged model: merging computes in float32."""


class ExportSettings(Settings):
    """Write a policy or a reward model as a Hugging Face folder, packed into one file to download."""

    from_: StartPolicy = ""
    reward: str = option("", main=True)
    merge: bool = option(False, main=True)


class MergeSettings(Settings):
    """Merge a policy's adapter into its base: a new base, and a bare policy on it."""

    from_: StartPolicy = ""


def run_export(context: RunContext, settings: ExportSettings) -> RunResult:
    """Export the model and pack its folder. A cancelled run leaves no file.

    Raises BadInput if the disk has no room for the folder and its file.
    """
    model: Policy | RewardModel
    if settings.reward:
        what, model = "reward-model", context.store.reward_models.get(settings.reward)
    else:
        what, model = "policy", choose_start(context.store, settings.from_)
    form = "adapter" if model.adapter and not settings.merge else "merged" if model.adapter else "model"
    name = f"{model.public}-{form}-{context.run.public}"
    exports = context.store.home / "exports"
    exports.mkdir(exist_ok=True)
    need, free = 2 * _export_bytes(context.store.home, model, form), shutil.disk_usage(exports).free
    if need > free:
        raise bad_input(
            "refused.export_disk", field="from", public=model.public, need=need / 1e9, free=free / 1e9, exports=exports
        )
    with TemporaryDirectory(prefix=f"{EXPORT_DRAFT}{context.run.public}.", dir=exports) as place:
        folder = Path(place) / name
        context.progress(0, 1, "export")
        done = export_model(context.store, folder, what, model.public, merge=settings.merge, by=context.run.created_by)
        draft = _pack(context, folder)
        size = draft.stat().st_size
        os.replace(draft, exports / draft.name)
    for older in exports.glob(f"{model.public}-{form}-run*.zip"):
        if older.name != draft.name:
            older.unlink(missing_ok=True)
    return RunResult(report={"file": f"exports/{draft.name}", "bytes": size} | _note(done))


def run_merge(context: RunContext, settings: MergeSettings) -> RunResult:
    """Merge the policy. A request to cancel comes too late: nothing is half done."""
    from rlhf.merge import merge_policy  # torch and PEFT: loaded in the run's process only

    done = merge_policy(context.store, settings.from_, by=context.run.created_by, run_id=context.run.id)
    context.progress(1, 1, done["merged"])
    return RunResult(done["produced"], {"merged": done["merged"], "bytes": done["bytes"]})


def _export_bytes(home: Path, model: Policy | RewardModel, form: str) -> int:
    """Return the bytes of the exported folder, nearly: its weights, and the base that an adapter takes along."""
    folder = base_folder(model.base)
    if form == "merged":
        return MERGED_WEIGHT * ModelShape.read(folder).weights if folder else 0
    base = count_bytes(folder) if folder and (form == "model" or Path(locate(model.base)).is_dir()) else 0
    return base + (count_bytes(home / model.adapter) if model.adapter else 0)


def _pack(context: RunContext, folder: Path) -> Path:
    """Return a zip of the folder beside it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    total, packed = sum(path.stat().st_size for path in files), 0
    archive = folder.with_name(f"{folder.name}.zip")
    with ZipFile(archive, "w", ZIP_STORED) as packing:
        for path in files:
            if context.cancelled():
                raise Cancelled
            packing.write(path, path.relative_to(folder.parent))
            packed += path.stat().st_size
            context.progress(packed, total, "bytes")
    return archive


def _note(done: dict) -> dict[str, str]:
    return {"note": done["note"]} if done.get("note") else {}

# SPDX-License-Identifier: Apache-2.0
"""The run that trains a reward model: freeze the comparisons, train its members, score the test prompts, publish."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.records import Policy, Snapshot
from data.run_context import RunContext, RunResult
from data.settings import LARGEST_SEED, as_dict
from data.store import Store
from data.views.frozen_rows import TrainingRows
from reward.about import HEADS, LORA, describe_base, read_about, save_about
from reward.base.frozen_base import Base
from reward.base.machine import library_versions, peak_mb
from reward.base.placement import Placement
from reward.base.text.template_options import TemplateOptions
from reward.heads.fit import Comparisons
from reward.member import member_folder
from reward.model import RewardModel
from reward.report.build import highest_reachable
from reward.settings import RewardSettings
from reward.training.callback import Progress
from reward.training.fit import Fitted, Start, fit, training_passes
from reward.training.guard import Trained, train_guard
from reward.training.heads import heads_curve, read_rows, reference_samples, train_heads
from reward.training.method import choose_method, save_fitted
from reward.training.rows import EncodedComparison, RowEncoder, fitting_rows, run_rows
from reward.training.run_report import encode_held_out, report_of
from reward.training.subsets import Subsets
from reward.training.trainer import CURVES

LOSSES = "losses.json"
"""The number of validation comparisons and their losses after each pass of a finished member, beside its adapter."""
SEEDS_APART = 1_000_003
"""The distance between the seeds of two members, larger than between seeds that people choose."""


def run(context: RunContext, settings: RewardSettings) -> RunResult:
    """Train, score the test prompts, publish, and return the reward model's public id with its report.

    Raises BadInput if there is nothing to train on, and Cancelled after a checkpoint was saved.
    """
    began = time.monotonic()
    snapshot, training, held_out = run_rows(context, settings, settings.weights)
    start = starting_point(context.store, settings)
    base = Base.load(start.source, placement=Placement.choose(settings), **start.template.keywords())
    base.limit_context(settings.max_length)
    encoder = RowEncoder(base)
    train_rows = fitting_rows(encoder, training)
    test_rows, validation = encode_held_out(encoder, held_out)
    guard = train_guard(context, settings, base) if settings.guard == "yes" else None
    choice = choose_method(context, settings, base, start, train_rows)
    subsets = Subsets(context, base, train_rows)
    if settings.curve and test_rows and choice.method == LORA:
        subsets.train(partial(_fit_subset, settings, base, start))
    data = None
    if choice.method == HEADS:
        data = read_rows(context, base, train_rows)
        model, trained = train_heads(context, context.folder / "reward", settings, base, train_rows, data)
    else:
        model, trained = _train(context, settings, base, start, train_rows, validation)
    report = report_of(context, model, encoder, training, held_out, test_rows, validation)
    if report["accuracy"] is not None:
        ceiling = highest_reachable(report)
        if data is None and settings.curve:
            report["learning_curve"] = subsets.curve(model, test_rows, ceiling)
        elif data is not None or (data := _read_stand_in(context, base, train_rows)) is not None:
            prompts = [comparison.row.prompt_id for comparison in train_rows]
            report["learning_curve"] = heads_curve(base, data, prompts, test_rows, ceiling)
            if choice.method == LORA:
                report["learning_curve"]["stand_in"] = HEADS
    report |= {
        "method": asdict(choice) | trained,
        "trained_on": len(train_rows),
        "truncated": encoder.truncated,
        "left_out": +encoder.left_out,
        "seconds": round(time.monotonic() - began, 2),
        "peak_mb": peak_mb(),
        "placement": base.placement.describe(),
    }
    models = [Trained(context.folder / "reward", settings, report), *([guard] if guard else [])]

    def publish() -> list[str]:
        with context.store.transaction():
            published = [_publish(context, model, base, start.source, snapshot) for model in models]
        shutil.rmtree(context.checkpoints())
        return published

    return RunResult(context.once(publish), report)


def _read_stand_in(context: RunContext, base: Base, rows: TrainingRows[EncodedComparison]) -> Comparisons | None:
    """Read the answers for the learning curve of heads; None if their features do not fit the memory."""
    try:
        return read_rows(context, base, rows)
    except BadInput:
        return None


def _publish(context: RunContext, model: Trained, base: Base, source: str, snapshot: Snapshot) -> str:
    """Add a trained reward model to the store and return its public id."""
    published = context.store.reward_models.publish(
        model.folder,
        name=f"{'guard' if model.settings.role == 'guard' else 'reward'} of {snapshot.public}",
        base=source,
        snapshot_id=snapshot.id,
        run_id=context.run.id,
        config=as_dict(model.settings),
        report=model.report,
        seed=model.settings.seed,
        role=model.settings.role,
        versions=library_versions() | {"fingerprint": base.fingerprint} | base.template_options.keywords(),
    )
    return published.public


def starting_point(store: Store, settings: RewardSettings) -> Start:
    """Return the base and chat template to train on, with the policy's adapter if `from` names a policy.

    Raises BadInput for an unknown policy.
    """
    policies: list[Policy] = store.policies.all()
    if settings.from_:
        policy = store.policies.get(settings.from_)
        folder = store.home / policy.adapter if policy.adapter else None
        return Start(policy.base, folder, TemplateOptions.of(policy))
    source = settings.base or (policies[-1].base if policies else "starter")
    newest = next((policy for policy in reversed(policies) if policy.base == source), None)
    return Start(source, None, TemplateOptions.of(newest) if newest else TemplateOptions())


def _train(
    context: RunContext,
    settings: RewardSettings,
    base: Base,
    start: Start,
    rows: TrainingRows[EncodedComparison],
    validation: Sequence[EncodedComparison],
) -> tuple[RewardModel, dict[str, Any]]:
    """Train every member; return the reward model in the run's folder, and the figures of its passes.

    Raises Cancelled after a checkpoint.
    """
    for member in range(settings.members):
        _train_member(context, settings, base, start, rows, validation, member)
    folder = context.folder / "reward"
    context.once(lambda: _join_members(context, settings.members, base, folder))
    model = RewardModel.load(folder, base)
    model.calibrate(*reference_samples(rows))
    context.once(lambda: model.save(folder))
    passes: dict[str, Any] = {"passes": training_passes(settings, len(rows))}
    files = [_finished(context, member).with_name(LOSSES) for member in range(settings.members)]
    measured = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    if all(losses for _, losses in measured) and len(measured) == settings.members:
        passes |= {"validation": {"comparisons": measured[0][0], "losses": [losses for _, losses in measured]}}
    return model, passes


def _join_members(context: RunContext, members: int, base: Base, folder: Path) -> None:
    """Write the folder of the reward model that consists of the finished members."""
    alone = members == 1
    for member in range(members):
        shutil.copytree(
            _finished(context, member), folder if alone else member_folder(folder, member), dirs_exist_ok=True
        )
    save_about(folder, base, read_about(folder) if alone else replace(describe_base(base), members=members))


def _train_member(
    context: RunContext,
    settings: RewardSettings,
    base: Base,
    start: Start,
    rows: TrainingRows[EncodedComparison],
    validation: Sequence[EncodedComparison],
    member: int,
) -> None:
    """Train one member if it is not finished yet. The first has the run's seed, the others have their own seeds."""
    finished = _finished(context, member)
    if finished.is_dir():
        return
    checkpoints, part = finished.with_name("trainer"), finished.with_name("part")
    member_settings = settings.model_copy(update={"seed": (settings.seed + SEEDS_APART * member) % LARGEST_SEED})
    progress = Progress(context, CURVES, "training", member, settings.members)
    fitted = fit(checkpoints, member_settings, base, start, rows, progress, validation)

    def keep() -> None:
        save_fitted(part, base, fitted)
        finished.with_name(LOSSES).write_text(json.dumps([fitted.watched, fitted.losses]), encoding="utf-8")
        part.rename(finished)
        shutil.rmtree(checkpoints)

    context.once(keep)


def _fit_subset(
    settings: RewardSettings,
    base: Base,
    start: Start,
    folder: Path,
    rows: TrainingRows[EncodedComparison],
    progress: Progress,
) -> Fitted:
    return fit(folder, settings, base, start, rows, progress)


def _finished(context: RunContext, member: int) -> Path:
    return context.checkpoints() / f"member-{member}" / "adapter"

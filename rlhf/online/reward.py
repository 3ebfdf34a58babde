# SPDX-License-Identifier: Apache-2.0
"""Publish the reward model of an online run, with the report that every reward model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from data.records import RewardModel as RewardRecord
from data.run_context import RunContext
from data.settings import as_dict
from data.views.preferences import PreferenceRow, preference_rows
from labeling.texts.pages import stored_line
from reward.about import HEADS
from reward.base.machine import library_versions
from reward.labels import freeze_comparisons
from reward.model import RewardModel
from reward.report.build import build_report
from reward.training.heads import REFERENCE_SAMPLES
from reward.training.method import Choice
from reward.training.rows import RowEncoder
from reward.training.run_report import agreement_of
from reward.training.score_test import score_comparisons, score_labeled
from rlhf.online.learner import Learner
from rlhf.online.settings import OnlineSettings


def publish_reward(
    context: RunContext, settings: OnlineSettings, learner: Learner, training: Sequence[PreferenceRow]
) -> RewardRecord | None:
    """Add the learner's reward to the store, and freeze the labels. None before the first fit, or if no label is left.

    `training` holds the labels as the store counts them now: somebody may have withdrawn all since the last fit.
    """
    if not training or not learner.is_fitted:
        return None
    store, base, model = context.store, learner.base, learner.reward_model()
    snapshot = freeze_comparisons(store, settings.labels, "equal", context.run.created_by)
    report = _calibrate_and_report(context, settings, learner, model)
    model.save(context.folder / "reward")
    return store.reward_models.publish(
        context.folder / "reward",
        name=f"reward of {context.run.public}, {learner.labels:,} labels",
        base=base.name,
        snapshot_id=snapshot.id,
        run_id=context.run.id,
        config=as_dict(settings) | {"members": len(model.members)},
        report=report,
        seed=settings.seed,
        versions=library_versions() | {"fingerprint": base.fingerprint} | base.template_options.keywords(),
    )


def _calibrate_and_report(
    context: RunContext, settings: OnlineSettings, learner: Learner, model: RewardModel
) -> dict[str, Any]:
    """Fix the unit of the scores by training answers, and measure them on held-out prompts, which trained nothing."""
    encoder, rows = RowEncoder(learner.base), preference_rows(context.store, source=settings.labels)
    splits = {name: [row for row in rows if row.split == name] for name in ("train", "validation", "test")}
    first = encoder.encode_training(splits["train"][: REFERENCE_SAMPLES // 2])
    if first:  # else the raw scores stay: no answer of those fits the base
        model.calibrate(*zip(*((one.prompt, ids) for one in first for ids in (one.a, one.b)), strict=True))
    scored = score_comparisons(context.store, model, encoder, encoder.encode(splits["test"]))
    validation = score_labeled(model, encoder.encode(splits["validation"]))
    report = build_report(*scored, agreement_of(context.store, rows), validation)
    method = Choice(HEADS, stored_line("note.method_online"))
    return report | {"method": asdict(method), "trained_on": learner.comparisons, "left_out": +encoder.left_out}

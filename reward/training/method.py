# SPDX-License-Identifier: Apache-2.0
"""The choice of a reward training by the number of its labels: heads on frozen features, or LoRA.

Few labels cannot move the weights of a base in a useful direction, while a penalised head on its features finds what
the labels say at once. Many labels teach an adapter what no head on frozen features can express. Between the two the
likelihood of held-out training prompts decides. docs/reward.md has the measurements behind the limits.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from data.run_context import RunContext
from data.views.frozen_rows import TrainingRows
from labeling.texts.pages import bad_input, stored_line
from reward.about import HEADS, LORA, describe_base, write_about
from reward.base.adapters import write_adapter
from reward.base.frozen_base import Base
from reward.heads.fit import comparison_loss, fit_heads
from reward.model import RewardModel
from reward.settings import RewardSettings
from reward.training.callback import Progress
from reward.training.fit import Fitted, Start, fit
from reward.training.heads import heads_model, read_comparisons
from reward.training.rows import EncodedComparison
from reward.training.score_test import score_labeled

FEW, MANY = 100, 1000
"""With fewer comparisons heads are trained, with at least so many LoRA; between them held-out prompts decide."""
ONLY_LORA = (
    *("from_", "epochs", "max_steps", "learning_rate", "batch_size", "scheduler", "optimizer", "weight_decay"),
    *("rank", "lora_alpha", "lora_targets", "first_layer", "dora", "rslora", "lora_dropout"),
    *("likelihood", "label_smoothing", "centring"),
)
"""Settings that heads do not have."""
HELD_OUT = 5
"""Every fifth prompt is held out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen method, the reason, and the held-out loss of both in nats if they were compared."""

    method: str
    reason: str
    held_out_loss: dict[str, float] | None = None


def lora_settings(settings: RewardSettings) -> list[str]:
    """Return the names of the settings that only LoRA has and that differ from their defaults."""
    default = RewardSettings()
    return [name.rstrip("_") for name in ONLY_LORA if getattr(settings, name) != getattr(default, name)]


def choose_method(
    context: RunContext, settings: RewardSettings, base: Base, start: Start, rows: TrainingRows[EncodedComparison]
) -> Choice:
    """Return the choice. A resumed run keeps its choice.

    Raises BadInput for heads with settings that only LoRA has, and Cancelled after a checkpoint.
    """
    own = lora_settings(settings)
    if settings.method == HEADS and own:
        raise bad_input("refused.heads_setting", field=own[0], names=" and no ".join(own))
    if settings.method != "auto":
        return Choice(settings.method, stored_line("note.method_set", method=settings.method))
    if own:
        return Choice(LORA, stored_line("note.method_settings", names=", ".join(own)))
    if len(rows) < FEW:
        return Choice(HEADS, stored_line("note.method_few", n=FEW))
    if len(rows) >= MANY:
        return Choice(LORA, stored_line("note.method_many", n=f"{MANY:,}"))
    if len({comparison.row.prompt_id for comparison in rows}) < HELD_OUT:
        return Choice(HEADS, stored_line("note.method_prompts", n=HELD_OUT))
    return _compare_methods(context, settings, base, start, rows)


def _compare_methods(
    context: RunContext, settings: RewardSettings, base: Base, start: Start, rows: TrainingRows[EncodedComparison]
) -> Choice:
    """Return what predicts held-out prompts better. The first comparison of a run and its resumed ones counts."""
    note = context.checkpoints() / "method.json"
    if note.is_file():
        return Choice(**json.loads(note.read_text(encoding="utf-8")))
    losses = _held_out_losses(context, settings, base, start, rows)
    best = min(losses, key=losses.__getitem__)
    shown = {name: f"{loss:.3f}" for name, loss in losses.items()}
    choice = Choice(best, stored_line(f"note.method_held_out_{best}", **shown), losses)

    def keep() -> Choice:
        part = note.with_name("method.json.part")  # a run killed while it writes must not resume from half of it
        part.write_text(json.dumps(asdict(choice)), encoding="utf-8")
        part.replace(note)
        return choice

    return context.once(keep)  # the same in all processes, whatever their last digits are


def save_fitted(folder: Path, base: Base, fitted: Fitted) -> None:
    """Write a trained adapter as the folder of a reward model."""
    write_adapter(folder, fitted.config, fitted.weights)
    write_about(folder, replace(describe_base(base), cut_points=fitted.cut_points))


def _held_out_losses(
    context: RunContext, settings: RewardSettings, base: Base, start: Start, rows: TrainingRows[EncodedComparison]
) -> dict[str, float]:
    """Train both on four of five prompts and return their losses on the fifth, in nats per comparison."""
    fitted, held_out = _split(rows)
    note = "comparing heads and LoRA on held-out prompts"
    context.progress(0, 1, note)
    head = fit_heads(read_comparisons(base, list(fitted)), [row.row.prompt_id for row in fitted])
    folder = context.checkpoints() / "comparison"
    adapter = fit(folder / "trainer", settings, base, start, fitted, Progress(context, {}, note))
    context.once(lambda: save_fitted(folder / "adapter", base, adapter))
    lora = RewardModel.load(folder / "adapter", base)
    losses = {HEADS: _loss(heads_model(base, head), held_out), LORA: _loss(lora, held_out)}
    for role in base.adapters:  # a fresh base has no others
        base.drop_adapter(role)
    context.once(lambda: shutil.rmtree(folder))
    return losses


def _split(rows: TrainingRows[EncodedComparison]) -> tuple[TrainingRows[EncodedComparison], list[EncodedComparison]]:
    prompts = sorted({row.row.prompt_id for row in rows})
    held_out = set(prompts[::HELD_OUT])
    return (
        rows.matching(lambda row: row.row.prompt_id not in held_out),
        [row for row in rows if row.row.prompt_id in held_out],
    )


def _loss(model: RewardModel, rows: Sequence[EncodedComparison]) -> float:
    scored = score_labeled(model, rows)
    margins = torch.tensor([one.a_score - one.b_score for one in scored])
    labels = torch.tensor([one.label for one in scored])
    return comparison_loss(margins, labels, torch.tensor([row.row.weight for row in rows]))

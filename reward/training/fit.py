# SPDX-License-Identifier: Apache-2.0
"""The fit of one LoRA reward adapter to comparisons on the shared base. A checkpoint resumes it exactly."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from transformers import PreTrainedModel
from trl import RewardConfig

from data.run_context import Cancelled
from data.views.frozen_rows import TrainingRows
from reward.base import distributed
from reward.base.adapters import Weights, read_adapter
from reward.base.frozen_base import Base
from reward.base.sharding import shard
from reward.base.stacking import stack
from reward.base.text.template_options import TemplateOptions
from reward.placement_settings import SHARDED
from reward.settings import RewardSettings
from reward.training.arguments import divide_step, trainer_arguments
from reward.training.callback import BestPass, Progress, newest_checkpoint
from reward.training.classifier import as_classifier, lora_for_scoring, remove_adapter, scoring_pad, trunk_of
from reward.training.likelihood import build_likelihood
from reward.training.packing import Planner
from reward.training.prompt_groups import PromptGroup, as_dataset, grade, group_by_prompt
from reward.training.rows import EncodedComparison
from reward.training.trainer import PreferenceTrainer, collator, trainer_config

WATCHED = 50
"""The fewest comparisons of validation prompts that choose the pass to keep."""
SEEN, MOST_PASSES = 1000, 4
"""A training makes passes until it has seen so many comparisons, but at most so many passes."""


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a training: a base, the folder of an adapter to merge, if any, and the template's options."""

    source: str
    adapter: Path | None
    template: TemplateOptions = TemplateOptions()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained adapter with its head, and the cut points that its likelihood learned.

    `losses` are those of `watched` held-out comparisons after each pass. The weights are of the best one.
    """

    config: LoraConfig
    weights: Weights
    cut_points: list[float]
    losses: Sequence[float] = ()
    watched: int = 0


def fit(
    folder: Path,
    settings: RewardSettings,
    base: Base,
    start: Start,
    rows: TrainingRows[EncodedComparison],
    progress: Progress | None = None,
    validation: Sequence[EncodedComparison] = (),
) -> Fitted:
    """Train on the rows, with checkpoints in `folder`, and leave the base as it was.

    With enough comparisons of validation prompts it keeps the pass after which they are most likely. Training resumes
    from the last checkpoint in `folder`. Raises Cancelled, after saving a checkpoint, if the run was cancelled.
    """
    trainer = build_trainer(folder, settings, base, start, rows, validation)
    if progress is not None:
        trainer.add_callback(progress)
    classifier = trainer.model.get_base_model()
    assert isinstance(classifier, PreTrainedModel), "`as_classifier` returns one"
    shard(classifier, trainer.model, wanted=settings.strategy == SHARDED)
    trainer.train(resume_from_checkpoint=newest_checkpoint(folder))
    if progress is not None and progress.stopped:
        raise Cancelled
    best = trainer.best_pass
    if best is not None and best.weights:
        set_weights(trainer, best.weights)
    config, weights = _trained_config(trainer), get_peft_model_state_dict(trainer.model)
    if start.adapter is not None:
        config, weights = stack(trainer.model.get_base_model(), read_adapter(start.adapter), (config, weights))
    cut_points = trainer.likelihood.cut_points()
    remove_adapter(base, trainer.model)
    return Fitted(config, weights, cut_points, best.losses if best else (), trainer.watched)


def build_trainer(
    folder: Path,
    settings: RewardSettings,
    base: Base,
    start: Start,
    rows: TrainingRows[EncodedComparison],
    validation: Sequence[EncodedComparison] = (),
) -> PreferenceTrainer:
    """Return TRL's trainer on the base as a classifier, with the token ids of the rows as its data.

    It keeps its best pass by the comparisons in `validation`, if there are enough whose grade occurs in the rows.
    """
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(scoring_pad(base))
    classifier = as_classifier(base, settings.seed, start.adapter)
    groups = group_by_prompt(tuple(rows))
    likelihood = build_likelihood(settings.likelihood, [each for group in groups for each in group.grade])
    usable = [one for one in validation if likelihood.has_outcome(grade(one.row.label, one.row.margin))]
    watched = group_by_prompt(usable) if keeps_best_pass(settings, len(usable)) else []
    longest = max(groups + watched, key=lambda group: group.tokens)
    step = groups_per_step(settings.batch_size, groups)
    trainer = PreferenceTrainer(
        likelihood=likelihood,
        model=classifier,
        args=_arguments(
            folder,
            settings,
            base,
            groups=step,
            passes=training_passes(settings, len(rows)),
        ),
        data_collator=collator(Planner.of(trunk_of(classifier), scoring_pad(base), longest)),
        train_dataset=as_dataset(groups),
        processing_class=tokenizer,
        peft_config=lora_for_scoring(classifier, settings),
    )
    trainer.step_rows, trainer.watched = step, len(usable) if watched else 0
    if watched:
        held_out = as_dataset(watched)
        trainer.best_pass = BestPass(
            math.ceil(len(groups) / step), lambda: trainer.held_out_loss(held_out), lambda: copy_weights(trainer)
        )
        trainer.add_callback(trainer.best_pass)
    return trainer


def keeps_best_pass(settings: RewardSettings, comparisons: int) -> bool:
    """Return whether so many comparisons of validation prompts choose the pass to keep."""
    return comparisons >= WATCHED and not settings.epochs and not settings.max_steps


def copy_weights(trainer: PreferenceTrainer) -> Weights:
    """Return copies of the trained weights on the CPU, by the names of parameters."""
    trained = {name: weight for name, weight in trainer.model.named_parameters() if weight.requires_grad}
    return {name: weight.detach().cpu().clone() for name, weight in trained.items()}


@torch.no_grad()
def set_weights(trainer: PreferenceTrainer, weights: Weights) -> None:
    """Overwrite trained weights with those of `copy_weights`."""
    parameters = dict(trainer.model.named_parameters())
    for name, weight in weights.items():
        parameters[name].copy_(weight)


def training_passes(settings: RewardSettings, comparisons: int) -> int:
    """Return the passes over the comparisons: as set, or with 0 by their number."""
    return settings.epochs or min(MOST_PASSES, math.ceil(SEEN / comparisons))


def groups_per_step(pairs: int, groups: Sequence[PromptGroup]) -> int:
    """Return how many prompt groups hold `pairs` comparisons on average, at least 1."""
    return max(1, round(pairs * len(groups) / sum(len(group.grade) for group in groups)))


def _arguments(folder: Path, settings: RewardSettings, base: Base, *, groups: int, passes: int) -> RewardConfig:
    """Return the trainer's arguments for so many passes, in steps of so many groups."""
    pairs = divide_step(settings.batch_size, settings.per_device_batch_size)["per_device_train_batch_size"]
    size = max(1, math.ceil(groups * pairs / settings.batch_size))
    parts = math.ceil(groups / (size * distributed.world_size()))
    return trainer_config(
        **trainer_arguments(folder, settings, base.device)
        | {"per_device_train_batch_size": size, "gradient_accumulation_steps": parts},
        num_train_epochs=passes,
        max_steps=settings.max_steps or -1,
        label_smoothing_factor=settings.label_smoothing,
        center_rewards_coefficient=settings.centring or None,
    )


def _trained_config(trainer: PreferenceTrainer) -> LoraConfig:
    config = trainer.model.peft_config["default"]
    assert isinstance(config, LoraConfig), "the trainer gets a LoRA"
    config.inference_mode = True
    return config

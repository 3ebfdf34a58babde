# SPDX-License-Identifier: Apache-2.0
"""One LoRA reward adapter from comparisons: the trainer on the shared base, from the start or from its checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from transformers.trainer_utils import get_last_checkpoint
from trl import RewardConfig

from data.run_context import Cancelled
from data.views.frozen_rows import TrainingRows
from reward.base.adapters import Weights, read_adapter, stack
from reward.base.frozen_base import Base
from reward.settings import RewardSettings
from reward.training.callback import Progress
from reward.training.classifier import as_classifier, lora_for_scoring, remove_adapter, scoring_pad
from reward.training.likelihood import likelihood
from reward.training.packing import Planner
from reward.training.prompt_groups import PromptGroup, as_dataset, group_by_prompt
from reward.training.rows import EncodedComparison
from reward.training.trainer import PreferenceTrainer, collator, trainer_config


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a training: a base, and the adapter folder of a policy that is merged into its copy."""

    source: str
    adapter: Path | None
    template: str | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained adapter with its head, and the points its likelihood learned."""

    config: LoraConfig
    weights: Weights
    cut_points: list[float]


def fit(
    folder: Path,
    settings: RewardSettings,
    base: Base,
    start: Start,
    rows: TrainingRows[EncodedComparison],
    progress: Progress | None = None,
) -> Fitted:
    """Train on the rows, with checkpoints in `folder`, from the last one there; the base is as before afterwards.

    Raises Cancelled, after a checkpoint, where `progress` heard that the run is to stop.
    """
    trainer = build_trainer(folder, settings, base, start, rows)
    if progress is not None:
        trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    if progress is not None and progress.stopped:
        raise Cancelled
    config, weights = _trained_config(trainer), get_peft_model_state_dict(trainer.model)
    if start.adapter is not None:
        config, weights = stack(read_adapter(start.adapter), (config, weights))
    points = trainer.model.likelihood.cut_points()
    remove_adapter(base, trainer.model)
    return Fitted(config, weights, points)


def build_trainer(
    folder: Path, settings: RewardSettings, base: Base, start: Start, rows: TrainingRows[EncodedComparison]
) -> PreferenceTrainer:
    """TRL's trainer on the base as a sequence-classification model, fed the rows' own ids."""
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(scoring_pad(base))
    classifier = as_classifier(base, settings.seed, start.adapter)
    found = group_by_prompt(rows)
    trunk = getattr(classifier, classifier.base_model_prefix)
    return PreferenceTrainer(
        likelihood=likelihood(settings.likelihood, [grade for element in found for grade in element.grade]),
        model=classifier,
        args=_arguments(folder, settings, groups_per_step(settings.batch_size, found)),
        data_collator=collator(Planner.of(trunk, scoring_pad(base), max(found, key=lambda element: element.tokens))),
        train_dataset=as_dataset(found),
        processing_class=tokenizer,
        peft_config=lora_for_scoring(settings.rank),
    )


def groups_per_step(pairs: int, found: Sequence[PromptGroup]) -> int:
    """Return the number of elements that hold so many comparisons on average, at least 1."""
    return max(1, round(pairs * len(found) / sum(len(element.grade) for element in found)))


def _arguments(folder: Path, settings: RewardSettings, batch_size: int) -> RewardConfig:
    return trainer_config(
        folder,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=batch_size,
        label_smoothing_factor=settings.label_smoothing,
        center_rewards_coefficient=settings.centring or None,
        seed=settings.seed,
    )


def _trained_config(trainer: PreferenceTrainer) -> LoraConfig:
    config = trainer.model.peft_config["default"]
    config.inference_mode = True
    return config

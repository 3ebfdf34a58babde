"""A run that trains a reward model: freeze the comparisons, train a LoRA on the base, score the test prompts, publish."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from transformers.trainer_utils import get_last_checkpoint

from data.context import Cancelled, RunContext, RunResult
from data.errors import BadInput
from data.records import Policy, PreferenceRow
from data.settings import as_dict
from data.store import Store
from labeling.agreement import agreement
from reward.adapters import read_adapter, stack, write_adapter
from reward.base import Base
from reward.classifier import as_classifier, give_back, lora_for_scoring, scoring_pad
from reward.judge import judge
from reward.machine import library_versions, peak_mb
from reward.model import RewardModel, about_base, save_about
from reward.report import build_report
from reward.rows import Encoded, RowEncoder, run_rows, training_set
from reward.settings import RewardSettings
from reward.trainer import PreferenceTrainer, Watch, collator, trainer_config

REFERENCE_SAMPLES = 512
"""Answers of training prompts on which offset and scale are fixed."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the reward model starts from: a base, and the adapter folder of a policy that is merged into its copy."""

    source: str
    adapter: Path | None
    template: str | None


def run(context: RunContext, settings: RewardSettings) -> RunResult:
    """Train, judge on test prompts, publish; produced is the reward model's public id.

    Raises BadInput where there is nothing to train on, and Cancelled after a checkpoint was saved.
    """
    began = time.monotonic()
    snapshot, rows = run_rows(context, settings)
    start = starting_point(context.store, settings)
    base = Base.load(start.source, chat_template=start.template)
    encoder = RowEncoder(base)
    train_rows = encoder.encode([row for row in rows if row.split == "train"])
    folder = _train(context, settings, base, start, train_rows)
    model = RewardModel.load(folder, base)
    _calibrate(model, train_rows)
    save_about(folder, base, model.about)
    report = _report(context, model, encoder, rows) | {
        "trained_on": len(train_rows),
        "too_long": encoder.omitted,
        "seconds": round(time.monotonic() - began, 2),
        "peak_mb": peak_mb(),
    }
    published = context.store.reward_models.publish(
        folder,
        name=f"reward of {snapshot.public}",
        base=start.source,
        snapshot_id=snapshot.id,
        run_id=context.run.id,
        config=as_dict(settings),
        report=report,
        seed=settings.seed,
        versions=library_versions() | {"fingerprint": base.fingerprint, "chat_template": start.template},
    )
    shutil.rmtree(context.checkpoints())
    return RunResult([published.public], report)


def starting_point(store: Store, settings: RewardSettings) -> Start:
    """The base, and the policy's adapter where `from` names a policy. Raises BadInput for a policy without its folder."""
    policies: list[Policy] = store.policies.list()
    if settings.from_:
        policy = store.policies.get(settings.from_)
        folder = store.home / policy.adapter if policy.adapter else None
        return Start(policy.base, folder, policy.versions.get("chat_template"))
    source = settings.base or (policies[-1].base if policies else "starter")
    template = next((p.versions.get("chat_template") for p in reversed(policies) if p.base == source), None)
    return Start(source, None, template)


def _train(context: RunContext, settings: RewardSettings, base: Base, start: Start, rows: Sequence[Encoded]) -> Path:
    """Train to the end, or save and raise Cancelled; returns the folder of the finished adapter."""
    if not rows:
        raise BadInput("every comparison is longer than the base model's context", "Use a base with a longer context.")
    watch = Watch(context)
    checkpoints = context.checkpoints()
    trainer = build_trainer(checkpoints, settings, base, start, rows)
    trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)))
    if watch.stopped:
        raise Cancelled
    adapter = _trained_config(trainer), get_peft_model_state_dict(trainer.model)
    if start.adapter is not None:
        adapter = stack(read_adapter(start.adapter), adapter)
    give_back(base, trainer.model)
    folder = context.folder / "reward"
    write_adapter(folder, *adapter)
    save_about(folder, base, about_base(base))
    return folder


def build_trainer(folder: Path, settings: RewardSettings, base: Base, start: Start, rows: Sequence[Encoded]) -> PreferenceTrainer:
    """TRL's trainer on the base as a sequence-classification model, fed the rows' own ids."""
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(scoring_pad(base))
    return PreferenceTrainer(
        model=as_classifier(base, settings.seed, start.adapter),
        args=trainer_config(
            folder,
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps or -1,
            per_device_train_batch_size=settings.pairs_per_step(len(rows)),
            seed=settings.seed,
        ),
        data_collator=collator(scoring_pad(base)),
        train_dataset=training_set(rows),
        processing_class=tokenizer,
        peft_config=lora_for_scoring(settings.rank),
    )


def _trained_config(trainer: PreferenceTrainer) -> LoraConfig:
    config = trainer.model.peft_config["default"]
    config.inference_mode = True
    return config


def _calibrate(model: RewardModel, rows: Sequence[Encoded]) -> None:
    answers = [(each.prompt, ids) for each in rows[: REFERENCE_SAMPLES // 2] for ids in (each.a, each.b)]
    model.calibrate(*zip(*answers, strict=True))


def _report(context: RunContext, model: RewardModel, encoder: RowEncoder, rows: Sequence[PreferenceRow]) -> dict[str, Any]:
    test = encoder.encode([row for row in rows if row.split == "test"])
    context.progress(1, 1, f"scoring {len(test)} test comparisons")
    report = build_report(*judge(context.store, model, encoder, test), _agreement(context.store, rows))
    context.progress(1, 1, "done")
    return report


def _agreement(store: Store, rows: Sequence[PreferenceRow]) -> dict[str, Any]:
    """How often labelers of the same source agree with each other on the pairs that several of them judged."""
    source = "simulated" if all(row.source == "simulated" for row in rows) else "person"
    found = agreement(store, source)
    return {"rate": found.rate, "ci": [found.low, found.high], "pairs": found.pairs, "source": source}

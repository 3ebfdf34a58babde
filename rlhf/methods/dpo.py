# SPDX-License-Identifier: Apache-2.0
"""Direct preference optimisation (Rafailov et al. 2023): a policy from comparisons, by TRL's DPOTrainer.

The reference is the start policy: its adapter is merged into the weights, so the model without the fresh LoRA is the
reference. A full fine-tuning scores all pairs by the start before its first step. Answers are the sampled token ids. No
row of a test prompt is trained on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.views.frozen_rows import TrainingRows
from data.views.preferences import PreferenceRow
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.machine import peak_mb
from reward.base.sharding import shard
from reward.base.text.unusable_prompts import UnusablePrompt
from reward.placement_settings import SHARDED
from reward.report.left_out import EQUAL
from reward.report.scored import above, share_by_prompt
from reward.training.callback import Progress, newest_checkpoint
from reward.training.rows import run_rows
from rlhf.methods.dpo_trainer import PairTrainer, dpo_config
from rlhf.models.finetuning import load_trained_base, own_config, publish_trained, trainable_model, trained_model
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_start
from rlhf.settings import DPOSettings

CURVE_COMPARISONS = 200
"""Most held-out comparisons for the curves during training; no decision depends on them."""
CURVES = {
    "loss": "loss",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "eval_loss": "eval_loss",
    "eval_rewards/accuracies": "eval_accuracy",
    "eval_rewards/margins": "eval_margin",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
}
"""TRL's name of each curve -> its name in the run."""


@dataclass(frozen=True, slots=True)
class EncodedComparison:
    """A decided comparison as token ids: the prompt, the better answer, the other one."""

    prompt_id: int
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    def columns(self) -> dict[str, list[int]]:
        """Return the ids under the names that TRL's collator expects."""
        return {"prompt_ids": self.prompt, "chosen_ids": self.chosen, "rejected_ids": self.rejected}


def run(context: RunContext, settings: DPOSettings) -> RunResult:
    """Train, evaluate on test comparisons, publish. Resumes from its checkpoint.

    Raises BadInput if no comparison can be trained on, and Cancelled after saving a checkpoint.
    """
    started = time.monotonic()
    store = context.store
    parent = choose_start(store, settings.from_)
    snapshot, training, held_out_rows = run_rows(context, settings)
    base = load_trained_base(settings, parent)
    base.limit_context(settings.max_length)
    left_out: Counter = Counter()
    training_pairs = training.map(lambda rows: encode_comparisons(base, rows, left_out))
    held_out = encode_comparisons(base, held_out_rows.test, left_out)
    if not training_pairs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise bad_input("need.decided_comparisons", field="labels", reasons=reasons)
    adapter = adapter_folder(store, parent) if parent.adapter else None
    model = trainable_model(context, settings, base, adapter)
    with own_config(model):
        trainer = build_trainer(
            context.checkpoints() / "trainer", settings, base, model, training_pairs, held_out[:CURVE_COMPARISONS]
        )
        reference = trainer.reference_logps([pair.columns() for pair in held_out])
        progress = Progress(context, CURVES)
        trainer.add_callback(progress)
        shard(model, trained_model(trainer), wanted=settings.strategy == SHARDED)
        trainer.train(resume_from_checkpoint=newest_checkpoint(trainer.args.output_dir))
    if progress.stopped:
        raise Cancelled
    report = held_out_report(trainer, held_out, reference)
    report |= {"trained_on": len(training_pairs), "left_out": dict(left_out)}
    policy = publish_trained(
        context,
        trained_model(trainer),
        "dpo",
        parent,
        base,
        adapter,
        snapshot_id=snapshot.id,
        seed=settings.seed,
        config=as_dict(settings),
    )
    cost = {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    return RunResult([policy.public], report | cost | {"placement": base.placement.describe()})


def encode_comparisons(base: Base, rows: Sequence[PreferenceRow], left_out: Counter) -> list[EncodedComparison]:
    """Return the decided comparisons of different answers that fit the base; count the others by reason."""
    encoded = []
    for row in rows:
        if row.label == 0.5:
            left_out["ties"] += 1
            continue
        try:
            prompt = base.encoding.encode_template(row.messages or row.prompt)
        except UnusablePrompt as refused:
            left_out[refused.reason] += 1
            continue
        # a sampled answer that was cut has no end token
        a = base.encoding.stored_answer(row.a_token_ids, row.a_text)
        b = base.encoding.stored_answer(row.b_token_ids, row.b_text)
        if a == b:
            left_out[EQUAL] += 1
            continue
        if len(prompt) + max(len(a), len(b)) > base.context:
            left_out["longer than the context"] += 1
            continue
        encoded.append(EncodedComparison(row.prompt_id, prompt, *((a, b) if row.label == 1.0 else (b, a))))
    return encoded


def build_trainer(
    folder: Path,
    settings: DPOSettings,
    base: Base,
    model: PreTrainedModel,
    training_pairs: TrainingRows[EncodedComparison],
    held_out: Sequence[EncodedComparison] = (),
) -> PairTrainer:
    """Return TRL's trainer of a fresh LoRA on `model`, or of all its weights; it saves to `folder`."""
    torch.manual_seed(settings.seed)
    config = dpo_config(folder, settings, len(training_pairs), base.device, watching=bool(held_out))
    return PairTrainer.build(
        model,
        base,
        config,
        settings,
        [pair.columns() for pair in training_pairs],
        [pair.columns() for pair in held_out],
    )


def held_out_report(
    trainer: PairTrainer, held_out: Sequence[EncodedComparison], reference: np.ndarray
) -> dict[str, Any]:
    """Return the share of test comparisons in which the better answer's reward rose more, and the margin.

    A reward is beta (logp - ref_logp), in nats times beta. `reference` holds the log-probabilities from before the
    training, (comparisons, 2). Figures are None without a test comparison.
    """
    prompt_ids = [pair.prompt_id for pair in held_out]
    counts = {"test_comparisons": len(held_out), "test_prompts": len(set(prompt_ids))}
    if not held_out:
        return {"accuracy": None, "ci": None, "margin": None, **counts}
    rewards = trainer.implicit_rewards([pair.columns() for pair in held_out], reference)
    share, interval = share_by_prompt(above(rewards[:, 0], rewards[:, 1]), prompt_ids)
    return {"accuracy": share, "ci": interval, "margin": float(np.mean(rewards[:, 0] - rewards[:, 1])), **counts}

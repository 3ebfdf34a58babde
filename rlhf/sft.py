"""Supervised fine-tuning: a LoRA adapter that imitates instruction rows, trained by TRL's SFTTrainer.

Rows are given as token ids with labels, so that a prompt is encoded exactly as it is when answers are sampled, and
the loss counts the answer and its end only.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from data.context import Cancelled, RunContext, RunResult
from data.errors import BadInput
from data.frozen import frozen_rows
from data.ids import number
from data.instructions import instruction_prompt
from data.records import Policy
from data.settings import as_dict
from data.store import Store
from reward.adapters import default_lora
from reward.base import Base
from reward.machine import peak_mb
from reward.progress import Progress
from rlhf.policies import Bases, adapter_folder
from rlhf.settings import SFTSettings
from rlhf.tuning import merge, publish, quicken_all, write_trained


def run(context: RunContext, settings: SFTSettings) -> RunResult:
    """Train a new policy on frozen instruction rows. Resumes from the run's checkpoint folder."""
    started = time.monotonic()
    store = context.store
    parent = starting_policy(store, settings.from_)
    snapshot, rows = frozen_rows(context, "instructions", settings.snapshot, lambda: train_rows(store), {"split": "train"})
    base = Bases().of(parent)
    data, too_long = tokenize(base, rows)
    parent_adapter = adapter_folder(store, parent) if parent.adapter else None
    adapter = train(context, settings, base, data, parent_adapter)
    policy = publish(
        context, adapter, "sft", parent, base, snapshot_id=snapshot.id, seed=settings.seed, config=as_dict(settings) | {"rows": len(data)},
    )  # fmt: skip
    report = {
        "rows": len(data), "too_long": too_long, "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(),
    }  # fmt: skip
    return RunResult([policy.public], report)


def starting_policy(store: Store, wanted: str) -> Policy:
    """The policy asked for, or the first one of the home."""
    if wanted:
        return store.policies.get(number(wanted, "p"))
    policies = store.policies.list()
    if not policies:
        raise BadInput("there is no policy to start from", "Import one or pre-train a base.", field="from")
    return min(policies, key=lambda policy: policy.id)


def train_rows(store: Store) -> list[dict]:
    """Every instruction row of the train split. Raises BadInput where there is none."""
    rows = [
        {"instruction": row.instruction, "input": row.input, "output": row.output}
        for row in store.instructions.list(split="train")
    ]
    if not rows:
        raise BadInput("there is no instruction row of the train split", "Import some: app.py import FILE --as instructions", field="snapshot")
    return rows


def tokenize(base: Base, rows: list[dict]) -> tuple[Dataset, int]:
    """Ids and labels of each row, and how many rows did not fit the context and were left out."""
    data = []
    for row in rows:
        prompt = base.encoding.template(instruction_prompt(row["instruction"], row["input"]))
        answer = base.encode_completion(row["output"])
        data.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    fitting = [row for row in data if len(row["input_ids"]) <= base.context]
    if not fitting:
        raise BadInput(f"every instruction row is longer than the base model's context of {base.context} tokens", "Use a base with a longer context.")
    return Dataset.from_list(fitting), len(data) - len(fitting)


def train(context: RunContext, settings: SFTSettings, base: Base, data: Dataset, parent: Path | None) -> Path:
    """Train and save the adapter; its folder. It holds the parent's as well, which is merged into the weights while training.

    Raises Cancelled after saving a checkpoint.
    """
    torch.manual_seed(settings.seed)
    trainer = build_trainer(context.checkpoints(), settings, merge(base, parent), base, data)
    progress = Progress(context)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(context.checkpoints())))
    if progress.stopped:
        raise Cancelled
    return write_trained(trainer.model, context.folder / "adapter", parent)


def build_trainer(folder: Path, settings: SFTSettings, model: torch.nn.Module, base: Base, data: Dataset) -> SFTTrainer:
    """TRL's trainer of a fresh LoRA on `model`, fed the rows' own ids and labels; checkpoints go to `folder`."""
    arguments = SFTConfig(
        output_dir=str(folder), per_device_train_batch_size=settings.batch_size, num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1, learning_rate=settings.learning_rate, lr_scheduler_type="linear", warmup_steps=20,
        bf16=False, gradient_checkpointing=False, train_sampling_strategy="group_by_length", logging_steps=10, save_steps=100,
        save_total_limit=1, seed=settings.seed, report_to="none", disable_tqdm=True, max_length=base.context,
    )  # fmt: skip
    tokenizer = copy.deepcopy(base.tokenizer)  # the trainer may set its pad token
    trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=tokenizer, peft_config=default_lora(settings.rank))
    quicken_all(trainer.model)
    return trainer

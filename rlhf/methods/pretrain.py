# SPDX-License-Identifier: Apache-2.0
"""Pre-training: a causal language model from raw text, new with its own tokenizer, or continued.

All weights are trained in float32. The loss comes from TRL's fused head, which computes the vocabulary in chunks, so
no tensor of tokens x vocabulary exists. A run resumes from its checkpoint.
"""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from trl.trainer.utils import add_fused_lm_head

from data.ids import POLICY, parse_id
from data.records import Policy
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.starter.tokenizer import save_tokenizer, train_tokenizer
from data.store import Store
from reward.base.distributed import map_shards
from reward.base.machine import library_versions, peak_mb
from reward.base.patches.cpu_attention import choose_cpu_attention
from reward.base.patches.trl_tiles import shrink_tiles
from reward.base.placement import bfloat16_is_faster
from reward.base.text.template_options import TemplateOptions
from reward.training.arguments import trainer_arguments
from reward.training.atomic_checkpoints import DraftingTrainer
from reward.training.callback import Progress, newest_checkpoint
from rlhf.common.muon import MuonAdamW
from rlhf.methods.pretraining_rows import PassesOf, PretrainingRows, collate
from rlhf.methods.pretraining_text import TextSource, read_text
from rlhf.models.finetuning import merge_parent, publish_model
from rlhf.models.policy_loading import Bases, adapter_folder
from rlhf.settings import PretrainSettings

TOKENIZER_DOCUMENTS = 100_000
"""Most documents that train the tokenizer; also at most 50 times the documents of the run."""
HELD_OUT = 1_000
"""Most documents for the held-out loss."""
FUSED = {"fused_lm_head": True, "use_cache": False}
"""Arguments of a model with TRL's fused head, for its loss."""


def run(context: RunContext, settings: PretrainSettings) -> RunResult:
    """Train a base and store it as a policy, new or continued. Resumes from its checkpoint."""
    started = time.monotonic()
    store = context.store
    text = read_text(settings.text, settings.column)
    parent = store.policies.get(parse_id(settings.from_, POLICY)) if settings.from_ else None
    if parent:
        model, tokenizer = continued_model(store, parent)
    else:
        tokenizer = context.once(lambda: new_tokenizer(settings, text))
        model = new_model(settings, tokenizer)
    context_length = min(settings.context, model.config.get_text_config().max_position_embeddings)
    rows = PretrainingRows(text, tokenizer, settings.model_copy(update={"context": context_length}))
    train(context, settings, model, rows)
    loss = held_out_loss(model, rows)
    policy = publish_model(
        context,
        model.bfloat16(),
        tokenizer,
        name=f"base of run{context.run.id}",
        kind="base",
        parent_id=parent and parent.id,
        seed=settings.seed,
        config=as_dict(settings),
        versions=library_versions() | (_inherited(parent, tokenizer) if parent else {}),
    )
    report = {
        "held_out_loss": loss and round(loss, 4),
        "perplexity": loss and round(math.exp(loss), 3),
        "parameters": model.num_parameters(),
        "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(),
        "folder": f"policies/{policy.public}",
    }
    return RunResult([policy.public], report)


def _inherited(parent: Policy, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return the entries of `versions` with which the new base writes prompts as its parent does."""
    return TemplateOptions.of(parent).keywords() | {"chat_template": tokenizer.chat_template}


def new_tokenizer(settings: PretrainSettings, text: TextSource) -> PreTrainedTokenizerBase:
    """Return a tokenizer trained on the text."""
    count = min(TOKENIZER_DOCUMENTS, 50 * settings.max_steps * settings.batch_size)
    documents = itertools.islice(text.documents(settings.seed), count)
    with TemporaryDirectory() as folder:
        save_tokenizer(train_tokenizer(documents, settings.vocab_size), Path(folder), settings.context)
        return PreTrainedTokenizerFast.from_pretrained(folder)


def new_model(settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return a random Llama of the requested shape."""
    torch.manual_seed(settings.seed)
    return LlamaForCausalLM(llama_config(settings, tokenizer))


def continued_model(store: Store, parent: Policy) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a policy's weights, its adapter merged in and all trainable, and its tokenizer."""
    base = Bases().of(parent)
    model = merge_parent(base, adapter_folder(store, parent) if parent.adapter else None)
    return model.requires_grad_(True).train(), base.tokenizer


class _MuonTrainer(DraftingTrainer):
    """A Trainer that trains matrices by Muon and the rest by AdamW. Its loss is a mean over the step's tokens."""

    def get_train_dataloader(self) -> DataLoader:
        """Return this process's passes, which accelerate must not share once more."""
        assert isinstance(self.train_dataset, PretrainingRows), "`build_trainer` gives the trainer rows"
        passes = PassesOf(self.train_dataset, self.args.train_batch_size)
        return DataLoader(passes, batch_size=None, collate_fn=self.data_collator)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create the optimizer of all weights."""
        assert isinstance(self.model, PreTrainedModel), "`build_trainer` gives the trainer a model"
        self.optimizer = MuonAdamW(self.model, self.args.learning_rate)
        return self.optimizer

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *given: Any, **options: Any) -> Any:  # noqa: ANN401 (Trainer's own signature)
        """Return the mean loss per token of the fused head."""
        return super().compute_loss(model, inputs | FUSED, *given, **options)


def train(context: RunContext, settings: PretrainSettings, model: PreTrainedModel, rows: PretrainingRows) -> None:
    """Train all weights in float32. Raises Cancelled after saving a checkpoint."""
    trainer = build_trainer(context.checkpoints(), settings, model, rows)
    progress = Progress(context)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=newest_checkpoint(context.checkpoints()))
    if progress.stopped:
        raise Cancelled


def build_trainer(folder: Path, settings: PretrainSettings, model: PreTrainedModel, rows: PretrainingRows) -> Trainer:
    """Return transformers' Trainer with Muon for the matrices; it saves checkpoints to `folder`."""
    choose_cpu_attention(model, settings.context)
    add_fused_lm_head(model)
    shrink_tiles(model.device)
    arguments = TrainingArguments(
        **trainer_arguments(folder, settings, model.device, whole=bool(settings.from_)),
        warmup_steps=min(100, settings.max_steps // 10),
        max_steps=settings.max_steps,
        bf16=bfloat16_is_faster(model.device),
        max_grad_norm=1.0,
        logging_steps=50,
        save_steps=500,
        remove_unused_columns=False,
        dataloader_num_workers=0,
    )
    return _MuonTrainer(model, arguments, data_collator=collate, train_dataset=rows)


def llama_config(settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase) -> LlamaConfig:
    """Return a Llama of the requested width and depth, with tied embeddings; feed-forward 2.75 times as wide."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        intermediate_size=settings.hidden_size * 11 // 4,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )


@torch.no_grad()
def held_out_loss(model: PreTrainedModel, rows: PretrainingRows) -> float | None:
    """Return the mean loss per token, in nats, over held-out documents; None if the text has none."""
    model.eval()
    add_fused_lm_head(model)
    settings = rows.settings
    held_out = list(rows.of(itertools.islice(rows.text.held_out(settings.seed + 10**6), HELD_OUT)))
    batches = [held_out[start : start + settings.batch_size] for start in range(0, len(held_out), settings.batch_size)]

    def measure(own: list[list[list[int]]]) -> list[tuple[float, int]]:
        return [_summed_loss(model, rows) for rows in own]

    sums = map_shards(measure, batches)
    count = sum(tokens for _, tokens in sums)
    return sum(loss for loss, _ in sums) / count if count else None


def _summed_loss(model: PreTrainedModel, rows: list[list[int]]) -> tuple[float, int]:
    """Return the sum of the rows' losses per token, in nats, and their tokens."""
    batch = collate([{"input_ids": row} for row in rows])
    tokens = int((batch["labels"][:, 1:] != -100).sum())
    loss = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}, **FUSED).loss
    return loss.item() * tokens, tokens

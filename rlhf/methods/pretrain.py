# SPDX-License-Identifier: Apache-2.0
"""Pre-training: a causal language model from raw text, new with its own tokenizer, or continued.

Documents are an endless stream. Without packing a document is a row; rows are sorted by length within a window, so
batches hold little padding. Rows are padded on the right and the causal mask hides the padding, so positions match
those of sampling. With packing, documents with their end marks are joined and cut into rows.
"""

from __future__ import annotations

import itertools
import math
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.utils.data import IterableDataset
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from data.ids import POLICY, parse_id
from data.records import Policy
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.starter.corpus import DOCUMENT
from data.starter.tokenizer import save_tokenizer, train_tokenizer
from data.store import Store
from reward.base.machine import library_versions, peak_mb
from reward.base.patches.cpu_attention import choose_cpu_attention
from reward.training.callback import Progress
from rlhf.common.muon import MuonAdamW
from rlhf.methods.pretraining_text import TextSource, read_text
from rlhf.models.finetuning import merge_parent
from rlhf.models.policy_loading import Bases, adapter_folder
from rlhf.settings import PretrainSettings

READ_AT_ONCE = 1_000
"""Number of documents that are tokenized together."""
WINDOW = 64
"""Number of batches that are sorted by length together."""
TOKENIZER_DOCUMENTS = 100_000
"""Most documents that train the tokenizer; also at most 50 times the documents of the run."""
HELD_OUT = 1_000
"""Most documents for the held-out loss."""


def run(context: RunContext, settings: PretrainSettings) -> RunResult:
    """Train a base and store it as a policy, new or continued. Resumes from its checkpoint."""
    started = time.monotonic()
    store = context.store
    text = read_text(settings.text, settings.column)
    folder = context.folder / "base"
    parent = store.policies.get(parse_id(settings.from_, POLICY)) if settings.from_ else None
    model, tokenizer = continued_model(store, parent) if parent else new_model(settings, text, folder)
    context_length = min(settings.context, model.config.get_text_config().max_position_embeddings)
    rows = PretrainingRows(text, tokenizer, settings.model_copy(update={"context": context_length}))
    train(context, settings, model, rows)
    loss = held_out_loss(model, rows)
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    policy = store.policies.publish_base(
        folder,
        name=f"base of run{context.run.id}",
        kind="base",
        parent_id=parent and parent.id,
        run_id=context.run.id,
        seed=settings.seed,
        config=as_dict(settings),
        versions=library_versions() | ({"chat_template": tokenizer.chat_template} if parent else {}),
    )
    shutil.rmtree(context.checkpoints())
    report = {
        "held_out_loss": loss and round(loss, 4),
        "perplexity": loss and round(math.exp(loss), 3),
        "parameters": model.num_parameters(),
        "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(),
        "folder": f"policies/{policy.public}",
    }
    return RunResult([policy.public], report)


def new_model(
    settings: PretrainSettings, text: TextSource, folder: Path
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a random Llama of the requested shape, and a tokenizer trained on the text."""
    count = min(TOKENIZER_DOCUMENTS, 50 * settings.max_steps * settings.batch_size)
    documents = itertools.islice(text.documents(settings.seed), count)
    save_tokenizer(train_tokenizer(documents, settings.vocab_size), folder, settings.context)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    torch.manual_seed(settings.seed)
    return LlamaForCausalLM(llama_config(settings, tokenizer)), tokenizer


def continued_model(store: Store, parent: Policy) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a policy's weights, its adapter merged in and all trainable, and its tokenizer."""
    base = Bases().of(parent)
    model = merge_parent(base, adapter_folder(store, parent) if parent.adapter else None)
    return model.requires_grad_(True).train(), base.tokenizer


class PretrainingRows(IterableDataset):
    """Endless rows of token ids: a document per row, or with `packing` rows cut from joined documents."""

    def __init__(self, text: TextSource, tokenizer: PreTrainedTokenizerBase, settings: PretrainSettings) -> None:
        self.text, self.tokenizer, self.settings = text, tokenizer, settings

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        size = self.settings.batch_size
        rng = random.Random(self.settings.seed)
        rows = self.of(self.text.documents(self.settings.seed + 1))
        while True:
            window = sorted(itertools.islice(rows, size * WINDOW), key=len)
            batches = [window[start : start + size] for start in range(0, len(window), size)]
            rng.shuffle(batches)
            yield from ({"input_ids": row} for batch in batches for row in batch)

    def of(self, texts: Iterator[str]) -> Iterator[list[int]]:
        """Return rows of these documents. Without packing, each is cut at the context; packing keeps every token."""
        documents = (
            ids for batch in batches_of(texts, READ_AT_ONCE) for ids in tokenize_documents(self.tokenizer, batch)
        )
        length = self.settings.context
        return pack(documents, length) if self.settings.packing else (ids[:length] for ids in documents)


def pack(documents: Iterator[list[int]], length: int) -> Iterator[list[int]]:
    """Cut rows of `length` ids from the joined documents; the last row holds the rest."""
    waiting: list[int] = []
    for ids in documents:
        waiting += ids
        while len(waiting) >= length:
            yield waiting[:length]
            waiting = waiting[length:]
    if len(waiting) > 1:  # a single id predicts nothing
        yield waiting


def batches_of(items: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield lists of `size` items; the last one may be shorter."""
    while batch := list(itertools.islice(items, size)):
        yield batch


def tokenize_documents(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Return the ids of each document with an end mark: the tokenizer's document mark, else its end of text."""
    end_mark = tokenizer.get_vocab().get(DOCUMENT, tokenizer.eos_token_id)
    rows = tokenizer([text.removesuffix(DOCUMENT) for text in texts], return_attention_mask=False, verbose=False)[
        "input_ids"
    ]
    return [[*row, end_mark] for row in rows]


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Return right-padded ids (B, T), and labels with -100 at the padding; no attention mask is needed."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for number, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[number, :length] = labels[number, :length] = torch.tensor(row["input_ids"])
    return {"input_ids": ids, "labels": labels}


class _MuonTrainer(Trainer):
    """A Trainer that trains matrices by Muon and the rest by AdamW."""

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Create the optimizer of all weights."""
        assert isinstance(self.model, PreTrainedModel), "`build_trainer` gives the trainer a model"
        self.optimizer = MuonAdamW(self.model, self.args.learning_rate)
        return self.optimizer


def train(context: RunContext, settings: PretrainSettings, model: PreTrainedModel, rows: PretrainingRows) -> None:
    """Train all weights in float32. Raises Cancelled after saving a checkpoint."""
    trainer = build_trainer(context.checkpoints(), settings, model, rows)
    progress = Progress(context)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(context.checkpoints())))
    if progress.stopped:
        raise Cancelled


def build_trainer(folder: Path, settings: PretrainSettings, model: PreTrainedModel, rows: PretrainingRows) -> Trainer:
    """Return transformers' Trainer with Muon for the matrices; it saves checkpoints to `folder`."""
    choose_cpu_attention(model, settings.context)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=min(100, settings.max_steps // 10),
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        max_grad_norm=1.0,
        logging_steps=50,
        save_steps=500,
        save_total_limit=1,
        seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
    )
    return _MuonTrainer(model, arguments, data_collator=collate, train_dataset=rows)


def llama_config(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
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
    settings = rows.settings
    held_out = list(rows.of(itertools.islice(rows.text.held_out(settings.seed + 10**6), HELD_OUT)))
    total = count = 0.0
    for start in range(0, len(held_out), settings.batch_size):
        batch = collate([{"input_ids": row} for row in held_out[start : start + settings.batch_size]])
        tokens = int((batch["labels"][:, 1:] != -100).sum())
        loss = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}, use_cache=False).loss
        total += loss.item() * tokens
        count += tokens
    return total / count if count else None

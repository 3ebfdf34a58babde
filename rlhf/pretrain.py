"""Pre-training: a small causal language model from raw text, tokenizer included.

Documents are read endlessly, sorted by length within a window, and batched by row count, so that little of a batch
is padding; rows are padded on the right and the causal mask alone keeps padding out, which leaves positions as they
are when answers are sampled.
"""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from data.context import Cancelled, RunContext, RunResult
from data.starter.tokenizer import save_tokenizer, train_tokenizer
from reward.machine import library_versions, peak_mb
from reward.progress import Progress
from rlhf.documents import Text, read_text
from rlhf.muon import MuonAdamW
from rlhf.settings import PretrainSettings

WINDOW = 64  # batches sorted by length together
TOKENIZER_DOCUMENTS = 100_000  # at most, and at most 50 times what a run reads
HELD_OUT = 1_000  # documents at most


def run(context: RunContext, settings: PretrainSettings) -> RunResult:
    """Train a tokenizer and a base, and record the base as a policy. Resumes from the run's checkpoint folder."""
    started = time.monotonic()
    text = read_text(settings.text)
    folder = context.folder / "base"
    heard = itertools.islice(text.documents(settings.seed), min(TOKENIZER_DOCUMENTS, 50 * settings.max_steps * settings.batch_size))
    save_tokenizer(train_tokenizer(heard, settings.vocab_size), folder, settings.context)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = train(context, settings, text, tokenizer)
    loss = held_out_loss(model, tokenizer, text, settings)
    model.to(torch.bfloat16).save_pretrained(folder)
    policy = context.store.policies.publish_base(
        folder, name=f"base of run{context.run.id}", kind="base", run_id=context.run.id, seed=settings.seed,
        config={"text": settings.text, "max_steps": settings.max_steps}, versions=library_versions(),
    )  # fmt: skip
    shutil.rmtree(context.checkpoints())
    report = {
        "held_out_loss": loss and round(loss, 4), "parameters": model.num_parameters(), "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(), "folder": f"policies/{policy.public}",
    }  # fmt: skip
    return RunResult([policy.public], report)


class Rows(IterableDataset):
    """Token ids of endless documents; neighbours are of like length, batches of a window in random order."""

    def __init__(self, text: Text, tokenizer: PreTrainedTokenizerFast, settings: PretrainSettings) -> None:
        self.text, self.tokenizer, self.settings = text, tokenizer, settings

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        size = self.settings.batch_size
        rng = random.Random(self.settings.seed)
        texts = self.text.documents(self.settings.seed + 1)
        while True:
            rows = encode(self.tokenizer, itertools.islice(texts, size * WINDOW), self.settings.context)
            rows.sort(key=len)
            batches = [rows[start : start + size] for start in range(0, len(rows), size)]
            rng.shuffle(batches)
            yield from ({"input_ids": row} for batch in batches for row in batch)


def encode(tokenizer: PreTrainedTokenizerFast, texts: Iterator[str], context: int) -> list[list[int]]:
    """Ids of each text, cut at the context."""
    return tokenizer(list(texts), truncation=True, max_length=context, return_attention_mask=False)["input_ids"]


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Right-padded ids (B, T) and labels with -100 at the padding; no attention mask is needed."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for at, row in enumerate(rows):
        ids[at, : len(row["input_ids"])] = labels[at, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
    return {"input_ids": ids, "labels": labels}


class _MuonTrainer(Trainer):
    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        self.optimizer = MuonAdamW(self.model, self.args.learning_rate)
        return self.optimizer


def train(context: RunContext, settings: PretrainSettings, text: Text, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The trained model in float32. Raises Cancelled after saving a checkpoint."""
    torch.manual_seed(settings.seed)
    model = LlamaForCausalLM(shape(settings, tokenizer))
    arguments = TrainingArguments(
        output_dir=str(context.checkpoints()), max_steps=settings.max_steps, per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate, lr_scheduler_type="linear", warmup_steps=min(100, settings.max_steps // 10),
        bf16=True, use_cpu=not torch.cuda.is_available(), max_grad_norm=1.0, logging_steps=50, save_steps=500, save_total_limit=1, seed=settings.seed,
        report_to="none", disable_tqdm=True, remove_unused_columns=False, dataloader_num_workers=0,
    )  # fmt: skip
    progress = Progress(context)
    trainer = _MuonTrainer(model, arguments, data_collator=collate, train_dataset=Rows(text, tokenizer, settings), callbacks=[progress])
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(context.checkpoints())))
    if progress.stopped:
        raise Cancelled
    return model


def shape(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """A Llama of the asked width and depth, embeddings tied; feed-forward 2.75 times as wide."""
    return LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=settings.hidden_size, num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads, num_key_value_heads=settings.heads, intermediate_size=settings.hidden_size * 11 // 4,
        max_position_embeddings=settings.context, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, text: Text, settings: PretrainSettings) -> float | None:
    """Mean loss per token, in nats, over documents that were not trained on; None where the text has none of them."""
    model.eval()
    rows = encode(tokenizer, itertools.islice(text.held_out(settings.seed + 10**6), HELD_OUT), settings.context)
    total = count = 0.0
    for start in range(0, len(rows), settings.batch_size):
        batch = collate([{"input_ids": row} for row in rows[start : start + settings.batch_size]])
        tokens = int((batch["labels"][:, 1:] != -100).sum())
        total += model(**batch, use_cache=False).loss.item() * tokens
        count += tokens
    return total / count if count else None

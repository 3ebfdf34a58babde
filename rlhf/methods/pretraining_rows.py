# SPDX-License-Identifier: Apache-2.0
"""Rows of pre-training: an endless stream of token ids from documents.

Without packing a document is a row; rows are sorted by length within a window, so batches hold little padding.
Rows are padded on the right and the causal mask hides the padding, so positions match those of sampling.
With packing, documents with their end marks are joined and cut into rows.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch.utils.data import IterableDataset
from transformers import PreTrainedTokenizerBase

from data.starter.corpus import DOCUMENT
from reward.base import distributed
from rlhf.methods.pretraining_text import TextSource
from rlhf.settings import PretrainSettings

Item = TypeVar("Item")
READ_AT_ONCE = 1_000
"""Number of documents that are tokenized together."""
WINDOW = 64
"""Number of batches that are sorted by length together."""


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


class PassesOf(IterableDataset):
    """This process's rows of each pass: steps of `rows`, cut into passes of `size` rows a process."""

    def __init__(self, rows: PretrainingRows, size: int) -> None:
        self.rows, self.size = rows, size

    def __iter__(self) -> Iterator[list[dict[str, list[int]]]]:
        processes, rank = distributed.world_size(), distributed.rank()
        for step in batches_of(iter(self.rows), self.rows.settings.batch_size):
            for start in range(0, len(step), processes * self.size):
                yield step[start : start + processes * self.size][rank::processes]


def batches_of(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
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

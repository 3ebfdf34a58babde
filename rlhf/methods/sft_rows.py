# SPDX-License-Identifier: Apache-2.0
"""Rows for supervised fine-tuning: their token ids, and the labels that count in the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Dataset

from data.store import Store
from data.tables.instructions import instruction_prompt
from data.views.frozen_rows import InstructionRow, TrainingRows
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.text.unusable_prompts import SkippedPrompts, UnusablePrompt

IGNORED = -100
"""The label of a token that counts in no loss."""
Messages = list[dict[str, str]]


def row_prompts(store: Store, rows: Iterable[InstructionRow]) -> list[str | Messages]:
    """Return the prompt of each row: its text, or the turns of its imported conversation."""
    chats = {prompt.text: prompt.messages for prompt in store.prompts.all() if prompt.messages}
    texts = [instruction_prompt(row["instruction"], row["input"]) for row in rows]
    return [chats.get(text, text) for text in texts]


def tokenize_rows(
    store: Store, base: Base, rows: TrainingRows[InstructionRow], skipped: Counter[str]
) -> tuple[Dataset, int]:
    """Tokenize instruction rows, each with its imported prompt; see `tokenize`."""
    return tokenize(base, row_prompts(store, rows), [row["output"] for row in rows], skipped)


def tokenize(
    base: Base, prompts: Sequence[str | Messages], outputs: Sequence[str], skipped: Counter[str] | None = None
) -> tuple[Dataset, int]:
    """Return the ids and labels of each row, and the number of rows that exceed the context.

    A prompt is encoded exactly as in sampling; only the answer and its end count in the loss. Rows whose prompt the
    template refuses are left out and counted in `skipped`. Raises BadInput if no row is left.
    """
    data, refused = [], SkippedPrompts(Counter() if skipped is None else skipped)
    for prompt, output in zip(prompts, outputs, strict=True):
        try:
            prompt_ids, answer_ids = base.encoding.encode_template(prompt), base.encode_completion(output)
        except UnusablePrompt as problem:
            refused.add(problem)
            continue
        data.append({"input_ids": prompt_ids + answer_ids, "labels": [IGNORED] * len(prompt_ids) + answer_ids})
    fitting = [row for row in data if len(row["input_ids"]) <= base.context]
    if not data and refused.first:
        raise refused.first
    if not fitting:
        raise bad_input("refused.long_rows", context=base.context)
    return Dataset.from_list(fitting), len(data) - len(fitting)


def describe_row(base: Base, row: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return a row's prompt and answer as text, and `tokens`: (piece, True if it counts in the loss)."""
    counted = [label != IGNORED for label in row["labels"]]
    prompt_ids, answer_ids = (
        [id for id, counts in zip(row["input_ids"], counted, strict=True) if counts == in_answer]
        for in_answer in (False, True)
    )
    pieces = [base.tokenizer.decode([id]) for id in row["input_ids"]]
    return {
        "prompt": base.tokenizer.decode(prompt_ids),
        "text": base.decode(answer_ids),
        "tokens": list(zip(pieces, counted, strict=True)),
    }

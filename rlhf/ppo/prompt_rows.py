# SPDX-License-Identifier: Apache-2.0
"""The prompts of a PPO run: rows from the store, and the token ids of each row's prompt.

A row has a `prompt`, text or messages. Rows of the store also have `source` and `facts`, which the rubric reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from data.errors import BadInput
from data.records import Prompt
from data.store import Store
from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.text.unusable_prompts import SkippedPrompts, UnusablePrompt
from rlhf.sampling.pairing import training_prompts

PromptRow = dict[str, Any]


def training_rows(store: Store, source: str, last: int = 0) -> list[PromptRow]:
    """Return the rows of the train split, all or of one source, up to the prompt number `last` if it is not 0.

    Raises BadInput if there is none, and for the name of another split.
    """
    return as_rows(training_prompts(store, source, last))


def as_rows(prompts: list[Prompt]) -> list[PromptRow]:
    """Return the trainer's rows: `prompt` as text or messages, the prompt's id, and source and facts for the rubric."""
    return [
        {"id": prompt.id, "prompt": prompt.messages or prompt.text, "source": prompt.source, "facts": prompt.facts}
        for prompt in prompts
    ]


def fitting_rows(bases: Iterable[Base], rows: list[PromptRow], skipped: Counter[str]) -> list[PromptRow]:
    """Return the rows that leave room for an answer in the context of every base.

    Counts the others in `skipped` by reason, with the first as the example.
    """
    bases, fitting, others = list(bases), list[PromptRow](), SkippedPrompts(skipped)
    for row in rows:
        try:
            for base in bases:
                encode_prompt(base, row, "a row", "prompts")
            fitting.append(row)
        except BadInput as problem:
            others.add(problem)
    return fitting


def encode_prompts(base: Base, rows: Sequence[PromptRow], dataset: str) -> list[list[int]]:
    """Return the ids of every row's prompt.

    Raises BadInput, naming `dataset`, for fewer rows than processes and for a prompt that `encode_prompt` refuses.
    """
    if len(rows) < distributed.world_size():
        raise BadInput(
            f"{dataset} has {len(rows)} rows for {distributed.world_size()} process(es)",
            "Give at least one for each",
            field=dataset,
        )
    return [encode_prompt(base, row, f"row {number} of {dataset}", dataset) for number, row in enumerate(rows)]


def encode_prompt(base: Base, row: PromptRow, row_name: str, dataset: str) -> list[int]:
    """Return the ids of a row's prompt.

    Raises BadInput, naming the row, if the prompt is missing, empty or too long.
    """
    if "prompt" not in row:
        raise BadInput(
            f"{row_name} has no 'prompt' but {sorted(row)}",
            "Rename the column of the prompts to 'prompt'",
            field=dataset,
        )
    if not row["prompt"]:
        raise BadInput(
            f"{row_name} has the prompt {row['prompt']!r}", "Give it a text or messages, or leave it out", field=dataset
        )
    ids = base.encode_prompt(row["prompt"])
    if not 0 < len(ids) < base.context - 1:  # an answer, and an end token that a reward model may append
        raise UnusablePrompt(
            f"{row_name} has a prompt of {len(ids)} tokens, a context of {base.context} leaves no room for an answer",
            "Shorten or leave out the prompt, or take a base with a longer context",
            field=dataset,
            reason="no room for an answer",
        )
    return ids

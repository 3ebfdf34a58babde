# SPDX-License-Identifier: Apache-2.0
"""LLaMA-Factory's rows of every shape: Alpaca, ShareGPT or OpenAI turns, with `system`, `history` and `tools`.

`chosen` and `rejected` make a preference. `kto_tag` says whether the answer is a good one.
"""

from __future__ import annotations

from types import ModuleType

from data.formats.rows import alpaca, sharegpt
from data.formats.rows.chats import openai
from data.formats.rows.chats.labels import check_mark, refuse_marked
from data.formats.rows.conversation import add_context, read_answer, split_conversation
from data.formats.rows.fields import BadRow, Row, read_optional_text
from data.formats.shapes import CompletionShape, InstructionShape, PairShape, PreferenceShape, PromptShape

NAME = "llama-factory"
NEEDS = tuple(frozenset({*keys, "kto_tag"}) for keys in (("instruction", "output"), ("conversations",), ("messages",)))
COLUMNS = {**alpaca.COLUMNS, **sharegpt.COLUMNS, **openai.COLUMNS, "kto_tag": "mark"}


def read_prompt(row: Row) -> PromptShape | list[PromptShape]:
    """Return the prompt of any of the shapes."""
    return _shape(row).read_prompt(row)


def read_instruction(row: Row) -> InstructionShape | list[InstructionShape]:
    """Return the answer to imitate. Raises BadRow if the tag does not call it a good one."""
    check_mark(row)
    return _shape(row).read_instruction(row)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the chosen answer over the rejected one."""
    if not {"chosen", "rejected"} <= row.names:
        refuse_marked(row)
    return _shape(row).read_preference(row)


def read_completion(row: Row) -> CompletionShape:
    """Return the answer as a completion of the model that the row names; the tag does not matter."""
    if "instruction" in row:
        prompt = alpaca.read_only_prompt(row)
        return CompletionShape(prompt, read_answer(row, "output", prompt), read_optional_text(row, "model"))
    key = "conversations" if "conversations" in row else "messages"
    prompt, text = split_conversation(row, key)
    if text is None:
        raise BadRow.of("row.assistant_message", key)
    return CompletionShape(add_context(row, prompt), text, read_optional_text(row, "model"))


def _shape(row: Row) -> ModuleType:
    """Return the format whose columns the row has."""
    if "conversations" in row:
        return sharegpt
    return openai if "messages" in row and "instruction" not in row else alpaca

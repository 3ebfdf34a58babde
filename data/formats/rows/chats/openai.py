# SPDX-License-Identifier: Apache-2.0
"""OpenAI's fine-tuning files, also those of Fireworks and Together: `messages`, with `tools` beside them.

An answer of `weight` 0 is no demonstration. Older files define their tools under `functions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows import trl
from data.formats.rows.conversation import add_context, split_conversation
from data.formats.rows.fields import BadRow, Row, read_optional_text
from data.formats.shapes import CompletionShape, InstructionShape, PromptShape

NAME = "openai"
NEEDS = (frozenset({"messages"}), frozenset({"messages", "tools"}), frozenset({"messages", "functions"}))
COLUMNS = {"messages": "turns"}


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the row has nothing but messages: a prompt or answers beside them are of another format."""
    return not {"prompt", "chosen", "rejected"} & row.keys()


def read_prompt(row: Row) -> PromptShape:
    """Return all turns up to the last one of a user or a tool."""
    return add_context(row, split_conversation(row, "messages")[0])


def read_instruction(row: Row) -> InstructionShape:
    """Return the last answer as the output, and all turns before it as the prompt."""
    return trl.read_instruction(row)


def read_completion(row: Row) -> CompletionShape:
    """Return the last answer as a completion of the model that the row names."""
    prompt, text = split_conversation(row, "messages")
    if text is None:
        raise BadRow.of("row.assistant_message", "messages")
    return CompletionShape(add_context(row, prompt), text, read_optional_text(row, "model"))

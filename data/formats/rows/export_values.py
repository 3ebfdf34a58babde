# SPDX-License-Identifier: Apache-2.0
"""Prompts and answers as values of exported rows: what is written here is what `conversation` reads again."""

from __future__ import annotations

import json

from data.formats.nested import looks_like_messages
from data.formats.rows.conversation import as_messages
from data.formats.rows.fields import BadRow
from data.formats.shapes import PromptShape
from data.formats.transcripts import may_hold_marks, parse_transcript
from data.turns import split_tools


def write_messages(prompt: PromptShape) -> tuple[list[dict], dict[str, str]]:
    """Return the prompt as messages, and the column `tools` if it has tools: their definitions as JSON text."""
    messages, tools = split_tools(as_messages(prompt))
    return messages, {"tools": json.dumps(tools, ensure_ascii=False)} if tools else {}


def write_answer(text: str) -> list[dict]:
    """Return an answer as a list with one assistant's message."""
    return [{"role": "assistant", "content": text}]


def write_text_prompt(prompt: PromptShape, form: str) -> str:
    """Return the prompt's text. Raises BadRow for a conversation, whose roles a text would lose."""
    if prompt.messages:
        raise BadRow.of("row.no_conversation", form=form)
    return write_text(prompt.text, form)


def write_text(text: str, form: str) -> str:
    """Return a text. Raises BadRow for one that readers take for turns: messages, or a whole transcript."""
    if looks_like_messages(text) or (may_hold_marks(text) and parse_transcript(text)):
        raise BadRow.of("row.no_transcript", form=form)
    return text

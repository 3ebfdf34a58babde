# SPDX-License-Identifier: Apache-2.0
"""Rows of one `text`: a document, or a whole chat between the marks of a template.

A chat is split at its marks. The text of a document is a prompt if you import prompts; it holds no answer to imitate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.conversation import add_context, make_prompt, note_marks, without_answer
from data.formats.rows.fields import BadRow, Row, check_text, read_text
from data.formats.rows.preference_metadata import check_learned
from data.formats.shapes import InstructionShape, PromptShape
from data.formats.tracked_row import remark
from data.formats.transcripts import parse_transcript

NAME = "text"
NEEDS = (frozenset({"text"}),)
COLUMNS = {"text": "prompt, or turns between marks"}
CHAT = remark("transcript", column="text")


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether nothing else in the row looks like a prompt or an answer."""
    others = {"prompt", "question", "query", "output", "completion", "response", "answer", "segments", "options"}
    return not others & row.keys()


def read_prompt(row: Row) -> PromptShape:
    """Return the text, or the turns of a chat up to the last user's."""
    text = read_text(row, "text")
    transcript = parse_transcript(text)
    if transcript is None:
        note_marks(row, text, "text")
        return add_context(row, PromptShape(text))
    row.note(CHAT)
    return add_context(row, make_prompt(without_answer(row, transcript.messages, "text"), "text"))


def read_instruction(row: Row) -> InstructionShape:
    """Return the last answer of a chat. Raises BadRow for a text without marks: its border would be a guess."""
    check_learned(row)
    transcript = parse_transcript(read_text(row, "text"))
    if transcript is None or transcript.messages[-1]["role"] != "assistant":
        raise BadRow.of("row.no_answer_mark", "text")
    row.note(CHAT)
    *turns, last = transcript.messages
    prompt = add_context(row, make_prompt(turns, "text"))
    return InstructionShape(prompt.text, "", check_text(last["content"], "text"), prompt.messages)

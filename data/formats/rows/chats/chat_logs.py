# SPDX-License-Identifier: Apache-2.0
"""Chats of public logs: LMSYS-Chat-1M and WildChat (`conversation`), UltraChat (`data`), red-team `transcript`s.

`conversation` is a list of messages; ms-swift and Capybara write exchanges: {human, assistant} or {input, output}.
`data` is a list of texts, the first of them a user's. `transcript` has the marks of Anthropic's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.conversation import add_context, make_prompt, without_answer
from data.formats.rows.fields import BadRow, Row, check_text, read_nested, read_optional_text, read_text
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import check_learned
from data.formats.shapes import CompletionShape, InstructionShape, PromptShape
from data.formats.transcripts import parse_transcript

NAME = "chat-log"
NEEDS = (frozenset({"conversation"}), frozenset({"data"}), frozenset({"transcript"}))
COLUMNS = {"conversation": "turns", "data": "turns", "transcript": "turns", "model_type": "model"}
OTHERS = frozenset({"prompt", "instruction", "messages", "conversations", "question", "query", "chosen", "rejected"})
"""Columns of other formats that hold what was asked."""
EXCHANGES = (("human", "assistant"), ("input", "output"))


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the column holds turns, and no other column the prompt."""
    return not OTHERS & row.keys() and not isinstance(row.get("data"), dict)


def read_prompt(row: Row) -> PromptShape:
    """Return all turns up to the last user's."""
    return _prompt(row, without_answer(row, _turns(row), _key(row)))


def read_instruction(row: Row) -> InstructionShape:
    """Return the last answer as the output, and all turns before it as the prompt."""
    check_learned(row)
    prompt, text = _answered(row, learned=True)
    return InstructionShape(prompt.text, "", check_text(text, _key(row)), prompt.messages)


def read_completion(row: Row) -> CompletionShape:
    """Return the last answer as a completion of the model that the row names."""
    prompt, text = _answered(row)
    model = next((name for key in ("model", "model_type") if (name := read_optional_text(row, key))), None)
    return CompletionShape(prompt, text, model)


def _answered(row: Row, *, learned: bool = False) -> tuple[PromptShape, str]:
    *before, last = _turns(row, learned=learned)
    if last["role"] != "assistant":
        raise BadRow.of("row.assistant_turn", _key(row))
    return _prompt(row, before), last["content"]


def _prompt(row: Row, turns: list[dict]) -> PromptShape:
    return add_context(row, make_prompt(turns, _key(row)))


def _key(row: Row) -> str:
    return next((key for key in ("conversation", "data", "transcript") if key in row), "conversation")


def _turns(row: Row, *, learned: bool = False) -> list[dict]:
    key = _key(row)
    if key == "transcript":
        transcript = parse_transcript(read_text(row, key))
        if transcript is None:
            raise BadRow.of("row.transcript_marks", key)
        return transcript.messages
    value = read_nested(row, key)
    if key == "data":
        if not isinstance(value, list) or not value:
            raise BadRow.of("row.list_of_texts", key)
        texts = [check_text(text, f"data[{number}]") for number, text in enumerate(value)]
        return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]
    first = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
    names = next((names for names in EXCHANGES if set(names) <= first.keys()), None)
    return _exchanges(row, value, names) if names else read_messages(row, key, learned=learned)


def _exchanges(row: Row, value: list, names: tuple[str, str]) -> list[dict]:
    turns = []
    for number, item in enumerate(value):
        if not isinstance(item, dict):
            raise BadRow.of("row.object", f"conversation[{number}]")
        part: Row = row.part(item, f"conversation[{number}]")
        texts = [read_text(part, name) for name in names]
        turns += [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": texts[1]}]
    return turns

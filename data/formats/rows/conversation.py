# SPDX-License-Identifier: Apache-2.0
"""Prompts that are conversations: lists of {role, content}, as chat templates take them.

Every reader gets its turns, answers, system message and earlier turns here, so that each file means the same however it
holds them: as objects, as JSON or Python in a text, or between the marks of a chat template.
"""

from __future__ import annotations

from dataclasses import replace

from data.formats.nested import looks_like_messages
from data.formats.rows import tool_calls
from data.formats.rows.fields import BadRow, Row, check_text, read_field, read_nested, read_optional_text
from data.formats.rows.messages import read_message, read_messages
from data.formats.shapes import PromptShape
from data.formats.tracked_row import is_blank, remark
from data.formats.transcripts import find_mark, may_hold_marks, parse_transcript
from data.tables.prompts import conversation_text
from data.texts import join_texts
from data.turns import split_tools

SYSTEM = ("system", "system_prompt", "system_message")
"""Columns that hold a system message."""
BEFORE = frozenset({*SYSTEM, "history", *tool_calls.DEFINITIONS})


def read_prompt_value(row: Row, key: str) -> PromptShape:
    """Return a prompt given as text, as messages, or as a transcript, without what stands beside it. Raises BadRow."""
    value = read_field(row, key)
    if isinstance(value, list) or (isinstance(value, str) and looks_like_messages(value)):
        messages = read_messages(row, key)
        if messages[-1] == {"role": "assistant", "content": ""}:
            messages.pop()
        return make_prompt(messages, key)
    text = check_text(value, key)
    if not may_hold_marks(text):
        return PromptShape(text)
    transcript = parse_transcript(text)
    if transcript and transcript.messages[-1]["role"] == "user":
        row.note(remark("transcript", column=key))
        return make_prompt(transcript.messages, key)
    note_marks(row, text, key)
    return PromptShape(text)


def read_prompt_with_context(row: Row, key: str) -> PromptShape:
    """Return a prompt with the system message and the earlier turns that stand in other columns. Raises BadRow."""
    return add_context(row, read_prompt_value(row, key))


def add_context(row: Row, prompt: PromptShape) -> PromptShape:
    """Return the prompt after the row's `system` (or `system_prompt`), `tools` and `history`. Raises BadRow."""
    if BEFORE.isdisjoint(row.names):
        return prompt
    before, tools = [*_system(row), *_history(row)], tool_calls.read_tools(row)
    if not before and not tools:
        return prompt
    own = as_messages(prompt)
    if before and before[0]["role"] == own[0]["role"] == "system":
        if before[0] != own[0]:
            raise BadRow.of("row.system_differs", "system")
        own = own[1:]
    messages = tool_calls.add_tools([*before, *own], tools)
    return replace(prompt, text=conversation_text(messages), messages=messages)


def _system(row: Row) -> list[dict]:
    texts = {key: text for key in SYSTEM if key in row and (text := read_optional_text(row, key))}
    if len(set(texts.values())) > 1:
        raise BadRow.of("row.differ", next(iter(texts)), names=join_texts("and", map(repr, texts)))
    return [{"role": "system", "content": text} for text in list(texts.values())[:1]]


def _history(row: Row) -> list[dict]:
    """Return the earlier turns: messages, or [question, answer] pairs as LLaMA-Factory writes them."""
    if "history" not in row or is_blank(row["history"]):
        return []
    pairs = read_nested(row, "history")
    if isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return [
            {"role": role, "content": check_text(text, f"history[{number}]")}
            for number, pair in enumerate(pairs)
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
    return read_messages(row, "history")


def make_prompt(messages: list[dict], key: str) -> PromptShape:
    """Return a conversation that ends with the turn of a user or a tool as a prompt.

    A single user's message is the same prompt as its plain text. Raises BadRow for any other end.
    """
    if not messages or messages[-1]["role"] not in ("user", "tool"):
        raise BadRow.of("row.user_message", key)
    if len(messages) == 1:
        return PromptShape(messages[0]["content"])
    return PromptShape(conversation_text(messages), messages)


def as_messages(prompt: PromptShape) -> list[dict]:
    """Return the prompt as messages, also if it was given as text."""
    return prompt.messages or [{"role": "user", "content": prompt.text}]


def without_answer(row: Row, turns: list[dict], key: str) -> list[dict]:
    """Return the turns up to the last user's. An answer after them is counted, since it is no part of a prompt."""
    if turns[-1]["role"] != "assistant":
        return turns
    note_left_answer(row, key)
    return turns[:-1]


def note_left_answer(row: Row, key: str) -> None:
    """Record that a row of prompts holds an answer in the column of its prompt."""
    row.note(remark("answer_left", column=key))


def split_conversation(row: Row, key: str, *, learned: bool = False) -> tuple[PromptShape, str | None]:
    """Return the prompt of whole messages and their last answer; None for the answer if they end with the user's."""
    messages = read_messages(row, key, learned=learned and row.judged)
    answered = messages[-1]["role"] == "assistant"
    if answered and row.what == "prompts":
        note_left_answer(row, key)
    return make_prompt(messages[:-1] if answered else messages, key), messages[-1]["content"] if answered else None


def read_answer(row: Row, key: str, prompt: PromptShape | None = None, *, blank: bool = False) -> str:
    """Return an answer given as text, as one assistant's message, or as a conversation that repeats the prompt.

    With `blank` it may be empty. Raises BadRow.
    """
    value = read_field(row, key)
    if value is None and blank and "comparison" in row:
        value = ""  # tables of this product hold an empty answer as an empty cell
    if isinstance(value, dict):
        return _only_answer([read_message(row, value, key, last=True)], key, prompt)
    if isinstance(value, list) or (isinstance(value, str) and looks_like_messages(value)):
        nested = read_nested(row, key)
        if isinstance(nested, dict):
            return _only_answer([read_message(row, nested, key, last=True)], key, prompt)
        return check_text(_only_answer(read_messages(row, key), key, prompt), key, blank=blank)
    text = check_text(value, key, blank=blank)
    if not may_hold_marks(text):
        return text
    transcript = parse_transcript(text)
    if transcript:
        turns = [*transcript.messages, *([{"role": "assistant", "content": ""}] if transcript.open else [])]
        if turns[-1]["role"] == "assistant":
            return check_text(_only_answer(turns, key, prompt), key, blank=blank)
    note_marks(row, text, key)
    return text


def _only_answer(messages: list[dict], key: str, prompt: PromptShape | None) -> str:
    *before, last = messages
    tool_calls.refuse_call(last, key)
    if last["role"] != "assistant":
        raise BadRow.of("row.one_message", key)
    if before and (prompt is None or not _repeats(before, as_messages(prompt))):
        raise BadRow.of("row.one_message_or_prompt", key)
    return last["content"]


def _repeats(before: list[dict], asked: list[dict]) -> bool:
    """Return whether turns are those of the prompt, or those without its tools or its system message."""
    plain = split_tools(asked)[0]
    return before in (asked, plain) or (plain[0]["role"] == "system" and before == plain[1:])


def unspaced(row: Row, key: str, answer: str) -> str:
    """Return an answer without the space that a transcript puts before it, if the row's `key` is such a transcript."""
    if answer[:1] != " ":
        return answer
    value = row.peek(key)
    transcript = parse_transcript(value) if isinstance(value, str) else None
    return answer.removeprefix(" ") if transcript and transcript.open and transcript.spaced else answer


def note_marks(row: Row, text: str, key: str) -> None:
    """Record that a text holds the marks of a chat template, although it is no whole transcript."""
    if mark := find_mark(text):
        row.note(remark("mark", column=key, mark=mark))

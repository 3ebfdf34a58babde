# SPDX-License-Identifier: Apache-2.0
"""Axolotl's rows without a template (`segments`), and its preferences of messages.

A segment is a text and a label: true for a text to imitate. The last run of true segments is the answer. With
`messages`, `chosen` and `rejected` are the last turn of the same conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from data.formats.rows.conversation import add_context, make_prompt, note_left_answer, note_marks, read_answer
from data.formats.rows.fields import BadRow, Row, check_text, read_flag, read_nested
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape
from data.formats.tracked_row import remark
from data.formats.transcripts import parse_transcript
from data.texts import join_texts

NAME = "axolotl"
NEEDS = (frozenset({"segments"}), frozenset({"messages", "chosen", "rejected"}))
COLUMNS = {"segments": "prompt and answer", "messages": "turns", "chosen": "better answer", "rejected": "worse answer"}


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the messages are the prompt: files that hold a prompt repeat the whole chat in them."""
    chosen = row.get("chosen")
    return "segments" in row or not ("prompt" in row or (isinstance(chosen, list) and len(chosen) > 1))


def read_prompt(row: Row) -> PromptShape:
    """Return what stands before the answer."""
    if "segments" in row:
        note_left_answer(row, "segments")
        return _split(row)[0]
    return add_context(row, make_prompt(read_messages(row, "messages"), "messages"))


def read_instruction(row: Row) -> InstructionShape:
    """Return the last segments with a true label as the answer to imitate."""
    if "segments" not in row:
        raise BadRow.of("row.preference", "chosen")
    check_learned(row)
    prompt, answer = _split(row)
    return InstructionShape(prompt.text, "", answer, prompt.messages)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return two answers to a conversation."""
    if "segments" in row:
        raise BadRow.of("row.segments_answer", "segments")
    prompt = read_prompt(row)
    return make_preference(row, prompt, *(read_answer(row, key, prompt, blank=True) for key in ("chosen", "rejected")))


def _split(row: Row) -> tuple[PromptShape, str]:
    """Return the prompt and the answer; marks of a chat template in them become turns."""
    groups = groupby(_segments(row), lambda item: item[0])
    runs = [(learned, "".join(text for _, text in run)) for learned, run in groups]
    if len(runs) < 2 or not runs[-1][0]:
        raise BadRow.of("row.segments_end", "segments")
    asked, answer = "".join(text for _, text in runs[:-1]), runs[-1][1]
    transcript = parse_transcript(asked + answer)
    if transcript and transcript.messages[-1]["role"] == "assistant":
        *turns, last = transcript.messages
        if last["content"].strip() in answer:
            row.note(remark("transcript", column="segments"))
            return add_context(row, make_prompt(turns, "segments")), check_text(last["content"], "segments")
    note_marks(row, asked + answer, "segments")
    return add_context(row, PromptShape(check_text(asked, "segments"))), check_text(answer, "segments")


def _segments(row: Row) -> list[tuple[bool, str]]:
    value = read_nested(row, "segments")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRow.of("row.list_of", "segments", keys=join_texts("and", ("'label'", "'text'")))
    parts = [row.part(item, f"segments[{number}]") for number, item in enumerate(value)]
    return [(bool(read_flag(part, "label")), check_text(part.get("text"), "segments", blank=True)) for part in parts]

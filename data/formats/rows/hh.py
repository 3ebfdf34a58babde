# SPDX-License-Identifier: Apache-2.0
r"""The HH format of Anthropic's helpful and harmless data: two transcripts that differ in the last answer only.

A transcript is "\n\nHuman: question\n\nAssistant: answer".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data.formats.rows import trl
from data.formats.rows.conversation import as_messages
from data.formats.rows.fields import BadRow, Row
from data.formats.shapes import PairShape, PreferenceShape, PromptShape

NAME = "hh"
NEEDS = (frozenset({"chosen", "rejected"}),)
COLUMNS = {"chosen": "turns and better answer", "rejected": "turns and worse answer"}
MARKER = re.compile("\n\n(Human|Assistant):")
SPEAKER = {"user": "Human", "assistant": "Assistant"}


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether both answers begin as transcripts do, with or without the line ends before them."""
    return all(isinstance(row[key], str) and row[key].lstrip("\n").startswith("Human:") for key in NEEDS[0])


def read_prompt(row: Row) -> PromptShape:
    """Return the turns that both transcripts share."""
    _check(row)
    return trl.read_prompt(row)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return both answers and their prompt: the turns that both transcripts share."""
    _check(row)
    return trl.read_preference(row)


def _check(row: Row) -> None:
    if trl.read_transcripts(row) is None:
        raise BadRow.of("row.hh_transcripts", "chosen")


def write_preference(shape: PreferenceShape) -> dict:
    """Return both transcripts. Raises BadRow for a system message, a tool, a marker in a text, an answer of spaces."""
    trl.refuse_spaces(shape)
    if any("tool_calls" in message for message in as_messages(shape.prompt)):
        raise BadRow.of("row.hh_call")
    prompt = "".join(_turn(message["role"], message["content"]) for message in as_messages(shape.prompt))
    return {key: prompt + _turn("assistant", getattr(shape, key)) for key in ("chosen", "rejected")}


def _turn(role: str, text: str) -> str:
    if role not in SPEAKER:
        raise BadRow.of("row.hh_role", role=role)
    if MARKER.search(f"{text}\n\n"):
        raise BadRow.of("row.hh_speaker")
    return f"\n\n{SPEAKER[role]}: {text}"

# SPDX-License-Identifier: Apache-2.0
r"""The HH format of Anthropic's helpful and harmless data: two transcripts that differ in the last answer only.

A transcript is "\n\nHuman: question\n\nAssistant: answer".
"""

from __future__ import annotations

import os
import re

from data.formats.rows.conversation import as_messages, make_prompt
from data.formats.rows.fields import BadRow, check_text, read_text
from data.formats.rows.preference_metadata import read_metadata
from data.formats.shapes import PreferenceShape, PromptShape

HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
MARKER = re.compile("\n\n(Human|Assistant):")
ROLE = {"Human": "user", "Assistant": "assistant"}
SPEAKER = {role: name for name, role in ROLE.items()}


def matches(row: dict) -> bool:
    """Return whether a row is in this format."""
    return all(isinstance(row.get(key), str) and row[key].startswith(HUMAN) for key in ("chosen", "rejected"))


def read_preference(row: dict) -> PreferenceShape:
    """Return both answers and their prompt.

    The prompt is what both transcripts share up to their last common "Assistant:"; the answers follow it.
    """
    chosen, rejected = read_text(row, "chosen"), read_text(row, "rejected")
    shared = os.path.commonprefix([chosen, rejected])
    end = shared.rfind(ASSISTANT)
    if not shared.startswith(HUMAN) or end < 0:
        raise BadRow(
            f"'chosen' and 'rejected' must both begin with {HUMAN!r} and share a turn before {ASSISTANT!r}", "chosen"
        )
    end += len(ASSISTANT)
    prompt = read_transcript(shared[: end - len(ASSISTANT)])
    answers = [_answer(row[key][end:], key) for key in ("chosen", "rejected")]
    return PreferenceShape(prompt, answers[0], answers[1], **read_metadata(row))


def write_preference(shape: PreferenceShape) -> dict:
    """Return both transcripts. Raises BadRow for a system message and for a text that contains a marker."""
    prompt = "".join(_turn(message["role"], message["content"]) for message in as_messages(shape.prompt))
    return {key: prompt + _turn("assistant", getattr(shape, key)) for key in ("chosen", "rejected")}


def read_transcript(transcript: str) -> PromptShape:
    """Return the prompt of a transcript that ends with a human's turn."""
    parts = MARKER.split(transcript)[1:]  # name, text, name, text, ...
    messages = [
        {"role": ROLE[name], "content": check_text(_unspaced(text), f"{name}'s turn")}
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    return make_prompt(messages, "chosen")


def _answer(text: str, key: str) -> str:
    if MARKER.search(text):
        raise BadRow("the transcripts differ before their last answer: only the last one may", key)
    return check_text(_unspaced(text), key)


def _unspaced(text: str) -> str:
    """Return the text without the one space that the format puts after the colon."""
    return text.removeprefix(" ")


def _turn(role: str, text: str) -> str:
    if role not in SPEAKER:
        raise BadRow(f"a {role} message cannot be written in the HH format")
    if MARKER.search(f"{text}\n\n"):
        raise BadRow("a text contains a speaker's name as the HH format writes it")
    return f"\n\n{SPEAKER[role]}: {text}"

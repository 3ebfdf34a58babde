"""The HH format of Anthropic's helpful and harmless data: two whole transcripts, equal up to the last answer.

"\\n\\nHuman: question\\n\\nAssistant: answer"
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
    """Whether a row is in this format."""
    return all(isinstance(row.get(key), str) and row[key].startswith(HUMAN) for key in ("chosen", "rejected"))


def read_preference(row: dict) -> PreferenceShape:
    """The prompt is what both transcripts share up to their last common "Assistant:", the answers what follows."""
    chosen, rejected = read_text(row, "chosen"), read_text(row, "rejected")
    shared = os.path.commonprefix([chosen, rejected])
    end = shared.rfind(ASSISTANT)
    if not shared.startswith(HUMAN) or end < 0:
        raise BadRow(
            f"'chosen' and 'rejected' must both begin with {HUMAN!r} and share a turn before {ASSISTANT!r}", "chosen"
        )
    end += len(ASSISTANT)
    answers = {key: _answer(row[key][end:], key) for key in ("chosen", "rejected")}
    return PreferenceShape(read_transcript(shared[: end - len(ASSISTANT)]), **answers, **read_metadata(row))


def write_preference(shape: PreferenceShape) -> dict:
    """Both transcripts. Raises BadRow for what the format cannot say: a system message, a text with a marker in it."""
    prompt = "".join(_turn(message["role"], message["content"]) for message in as_messages(shape.prompt))
    return {key: prompt + _turn("assistant", getattr(shape, key)) for key in ("chosen", "rejected")}


def read_transcript(transcript: str) -> PromptShape:
    """The prompt written as a transcript that ends with a human's turn."""
    parts = MARKER.split(transcript)[1:]  # name, text, name, text, ...
    messages = [
        {"role": ROLE[name], "content": check_text(_unspaced(said), f"{name}'s turn")}
        for name, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    return make_prompt(messages, "chosen")


def _answer(said: str, key: str) -> str:
    if MARKER.search(said):
        raise BadRow("the transcripts differ before their last answer: only the last one may", key)
    return check_text(_unspaced(said), key)


def _unspaced(said: str) -> str:
    """The one space after the colon is the format's, any other white space the speaker's."""
    return said.removeprefix(" ")


def _turn(role: str, said: str) -> str:
    if role not in SPEAKER:
        raise BadRow(f"a {role} message has no place in the HH format")
    if MARKER.search(f"{said}\n\n"):
        raise BadRow("a text contains a speaker's name as the HH format writes it")
    return f"\n\n{SPEAKER[role]}: {said}"

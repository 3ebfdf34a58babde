# SPDX-License-Identifier: Apache-2.0
"""ShareGPT chats: `conversations`, a list of {from, value}.

With `chosen` and `rejected`, as LLaMA-Factory and Axolotl read them, a row holds a preference.
"""

from __future__ import annotations

from data.formats.rows.conversation import add_context, as_messages, make_prompt, read_answer, split_conversation
from data.formats.rows.fields import BadRow, Row, read_names, read_optional_text
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape

NAME = "sharegpt"
NEEDS = (
    frozenset({"conversations"}),
    frozenset({"conversations", "instruction"}),
    frozenset({"conversations", "chosen", "rejected"}),
)
COLUMNS = {"conversations": "turns", "system": "system message", "chosen": "better answer", "rejected": "worse answer"}
SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}
"""Roles of messages -> names of speakers in exports."""


def read_prompt(row: Row) -> PromptShape:
    """Return all turns up to the last human's; an answer at the end is not read."""
    return add_context(row, split_conversation(row, "conversations")[0])


def read_instruction(row: Row) -> InstructionShape:
    """Return the last answer as the output, and all turns before it as the prompt."""
    check_learned(row)
    prompt, output = split_conversation(row, "conversations", learned=True)
    if not output:
        raise BadRow.of("row.gpt_turn", "conversations")
    prompt = add_context(row, prompt)
    family, defects = read_optional_text(row, "family"), read_names(row, "defects")
    return InstructionShape(prompt.text, "", output, prompt.messages, family, defects)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return a conversation that ends with a question, and two answers to it of one turn each."""
    prompt = add_context(row, make_prompt(read_messages(row, "conversations"), "conversations"))
    return make_preference(
        row, prompt, read_answer(row, "chosen", prompt, blank=True), read_answer(row, "rejected", prompt, blank=True)
    )


def write_instruction(shape: InstructionShape) -> dict:
    """Return the whole chat with its last answer."""
    return {"conversations": [*_chat(shape.prompt), _turn("assistant", shape.output)]}


def write_preference(shape: PreferenceShape) -> dict:
    """Return the chat up to the question, and both answers as turns."""
    answers = {"chosen": _turn("assistant", shape.chosen), "rejected": _turn("assistant", shape.rejected)}
    return {"conversations": _chat(shape.prompt)} | answers


def _chat(prompt: PromptShape) -> list[dict]:
    """Return the turns. Raises BadRow for tools: the names and ids of their calls have no place in such a chat."""
    messages = as_messages(prompt)
    if any(message.keys() > {"role", "content"} or message["role"] not in SPEAKERS for message in messages):
        raise BadRow.of("row.sharegpt_tools")
    return [_turn(message["role"], message["content"]) for message in messages]


def _turn(role: str, text: str) -> dict:
    return {"from": SPEAKERS[role], "value": text}

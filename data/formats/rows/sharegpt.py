# SPDX-License-Identifier: Apache-2.0
"""ShareGPT chats: `conversations`, a list of {from, value}.

With `chosen` and `rejected`, as LLaMA-Factory writes them, a row holds a preference.
"""

from __future__ import annotations

from data.formats.rows.conversation import add_context, make_prompt, read_answer, read_messages, split_conversation
from data.formats.rows.fields import BadRow, Row, read_optional_text
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape

NAME = "sharegpt"
NEEDS = (
    frozenset({"conversations"}),
    frozenset({"conversations", "instruction"}),
    frozenset({"conversations", "chosen", "rejected"}),
)
COLUMNS = {"conversations": "turns", "system": "system message", "chosen": "better answer", "rejected": "worse answer"}


def read_prompt(row: Row) -> PromptShape:
    """Return all turns up to the last human's; an answer at the end is not read."""
    return add_context(row, split_conversation(row, "conversations")[0])


def read_instruction(row: Row) -> InstructionShape:
    """Return the last answer as the output, and all turns before it as the prompt."""
    check_learned(row)
    prompt, output = split_conversation(row, "conversations", learned=True)
    if not output:
        raise BadRow("'conversations' must end with the assistant's (gpt) turn", "conversations")
    prompt = add_context(row, prompt)
    return InstructionShape(prompt.text, "", output, prompt.messages, read_optional_text(row, "family"))


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return a conversation that ends with a question, and two answers to it of one turn each."""
    prompt = add_context(row, make_prompt(read_messages(row, "conversations"), "conversations"))
    return make_preference(
        row, prompt, read_answer(row, "chosen", prompt, blank=True), read_answer(row, "rejected", prompt, blank=True)
    )

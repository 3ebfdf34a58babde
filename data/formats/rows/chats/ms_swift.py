# SPDX-License-Identifier: Apache-2.0
"""ms-swift's rows: `messages`, or `query`, `response` and `history`.

`rejected_response` (or `rejected_messages`) holds a worse answer than the last one. `label` marks the answer for KTO.
"""

from __future__ import annotations

from data.formats.rows.chats.labels import check_mark, refuse_marked
from data.formats.rows.conversation import add_context, read_answer, read_prompt_with_context, split_conversation
from data.formats.rows.fields import BadRow, Row, check_text, read_optional_text
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import CompletionShape, InstructionShape, PairShape, PreferenceShape, PromptShape

NAME = "ms-swift"
NEEDS = (
    frozenset({"messages", "rejected_response"}),
    frozenset({"messages", "rejected_messages"}),
    frozenset({"messages", "label"}),
    frozenset({"query", "response"}),
    frozenset({"query", "response", "rejected_response"}),
)
COLUMNS = {
    "messages": "turns",
    "query": "prompt",
    "response": "answer",
    "rejected_response": "worse answer",
    "rejected_messages": "worse answer",
    "label": "mark",
}


def read_prompt(row: Row) -> PromptShape:
    """Return the turns before the answer."""
    return _prompt_and_answer(row)[0]


def read_instruction(row: Row) -> InstructionShape:
    """Return the answer to imitate. Raises BadRow if the label does not call it a good one."""
    check_mark(row)
    check_learned(row)
    prompt, answer = _answered(row, learned=True)
    return InstructionShape(prompt.text, "", check_text(answer, "response"), prompt.messages)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the last answer as better than the rejected one."""
    key = next((key for key in ("rejected_response", "rejected_messages") if key in row), None)
    if key is None:
        refuse_marked(row)
    prompt, answer = _answered(row)
    return make_preference(row, prompt, answer, read_answer(row, key, prompt, blank=True))


def read_completion(row: Row) -> CompletionShape:
    """Return the last answer as a completion of the model that the row names."""
    prompt, answer = _answered(row)
    return CompletionShape(prompt, answer, read_optional_text(row, "model"))


def _answered(row: Row, *, learned: bool = False) -> tuple[PromptShape, str]:
    prompt, answer = _prompt_and_answer(row, learned=learned)
    if answer is None:
        raise BadRow.of("row.assistant_message", "messages")
    return prompt, answer


def _prompt_and_answer(row: Row, *, learned: bool = False) -> tuple[PromptShape, str | None]:
    if "messages" in row:
        prompt, answer = split_conversation(row, "messages", learned=learned)
        return add_context(row, prompt), answer
    prompt = read_prompt_with_context(row, "query")
    return prompt, None if row.what == "prompts" else read_answer(row, "response", prompt, blank=True)

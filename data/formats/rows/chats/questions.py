# SPDX-License-Identifier: Apache-2.0
"""Questions with an answer or two: Orca's files, and plain columns such as `question` and `answer`.

OpenOrca has `system_prompt`, `question` and `response`; Intel's Orca pairs have `system`, `question`, `chosen` and
`rejected`. `input` and `output` of other files are read the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.chats.labels import check_mark, refuse_marked
from data.formats.rows.conversation import read_answer, read_prompt_with_context
from data.formats.rows.fields import BadRow, Row, check_text, read_optional_text
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import CompletionShape, InstructionShape, PairShape, PreferenceShape, PromptShape

NAME = "question-answer"
NEEDS = (
    *(frozenset({"question", key}) for key in ("answer", "response", "completion")),
    frozenset({"question", "system_prompt", "response"}),
    frozenset({"question", "chosen", "rejected"}),
    frozenset({"input", "output"}),
)
COLUMNS = {
    "question": "prompt",
    "input": "prompt",
    "answer": "answer",
    "output": "answer",
    "chosen": "better answer",
    "rejected": "worse answer",
    "label": "mark",
}
ANSWERS = ("answer", "response", "output", "completion")


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the question is the whole prompt: in other formats `input` goes with an instruction."""
    return "instruction" not in row and "prompt" not in row


def read_prompt(row: Row) -> PromptShape:
    """Return the question after its system message and history."""
    return read_prompt_with_context(row, "question" if "question" in row else "input")


def read_instruction(row: Row) -> InstructionShape:
    """Return the answer to imitate. Raises BadRow if a label does not call it a good one."""
    check_mark(row)
    check_learned(row)
    prompt, answer = _answered(row)
    return InstructionShape(prompt.text, "", check_text(answer, "answer"), prompt.messages)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the chosen answer over the rejected one."""
    if not {"chosen", "rejected"} <= row.names:
        refuse_marked(row)
    prompt = read_prompt(row)
    return make_preference(row, prompt, *(read_answer(row, key, prompt, blank=True) for key in ("chosen", "rejected")))


def read_completion(row: Row) -> CompletionShape | list[CompletionShape]:
    """Return the answer as a completion of the model that the row names; of a preference both answers."""
    if {"chosen", "rejected"} <= row.names and row.names.isdisjoint(ANSWERS):
        prompt = read_prompt(row)
        return [
            CompletionShape(prompt, read_answer(row, key, prompt, blank=True), read_optional_text(row, f"{key}_model"))
            for key in ("chosen", "rejected")
        ]
    prompt, answer = _answered(row)
    return CompletionShape(prompt, answer, read_optional_text(row, "model"))


def _answered(row: Row) -> tuple[PromptShape, str]:
    prompt = read_prompt(row)
    keys = [key for key in ANSWERS if key in row]
    if len(keys) != 1:
        if keys:
            raise BadRow.of("row.two_answers", keys[1], first=keys[0], second=keys[1])
        raise BadRow.of("row.no_answer", "answer")
    return prompt, read_answer(row, keys[0], prompt, blank=True)

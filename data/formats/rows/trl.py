"""TRL's dataset shapes: explicit (prompt, chosen, rejected), implicit (the prompt inside both), standard or conversational.

https://huggingface.co/docs/trl/dataset_formats
In the implicit standard shape the prompt is written by the plain template, whose end tells the prompt from the answer.
"""

from __future__ import annotations

import json
import os

from data.formats.rows.conversation import as_messages, make_prompt, read_answer, read_messages, read_prompt_value
from data.formats.rows.fields import BadRow, check_text, read_field, read_optional_text, read_text
from data.formats.rows.preference_metadata import read_metadata
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

BEFORE, AFTER = "### Instruction:\n", "\n\n### Response:\n"


def matches(row: dict) -> bool:
    """Whether a row is in one of these shapes."""
    return bool({"prompt", "chosen", "rejected", "messages"} & row.keys())


def read_prompt(row: dict) -> PromptShape:
    """The prompt of a prompt-only row; of a row with `messages`, all turns up to the last user's."""
    if "prompt" not in row and "messages" in row:
        return _split_messages(row["messages"], "messages")[0]
    found = read_prompt_value(read_field(row, "prompt"), "prompt")
    facts = row.get("facts")
    if facts is not None and not isinstance(facts, dict):
        raise BadRow("'facts' must be an object", "facts")
    check_text(json.dumps(facts, ensure_ascii=False), "facts")
    return PromptShape(found.text, found.messages, read_optional_text(row, "family"), facts)


def read_instruction(row: dict) -> InstructionShape:
    """A row with prompt and completion, or with messages of which the last is the assistant's."""
    if "messages" in row:
        asked, output = _split_messages(row["messages"], "messages")
        if output is None:
            raise BadRow("'messages' must end with an assistant's message", "messages")
    else:
        asked, output = (
            read_prompt_value(read_field(row, "prompt"), "prompt"),
            read_answer(read_field(row, "completion"), "completion"),
        )
    return InstructionShape(asked.text, "", output, asked.messages, read_optional_text(row, "family"))


def read_preference(row: dict) -> PreferenceShape:
    """Any of the four preference shapes; a text prompt beside whole conversations is theirs already."""
    chosen, rejected = read_field(row, "chosen"), read_field(row, "rejected")
    if isinstance(chosen, list) and isinstance(rejected, list) and not isinstance(row.get("prompt"), list):
        return _implicit_conversations(row)
    if "prompt" in row:
        asked = read_prompt_value(row["prompt"], "prompt")
        return PreferenceShape(
            asked, read_answer(chosen, "chosen"), read_answer(rejected, "rejected"), **read_metadata(row)
        )
    return _implicit_texts(row)


def write_explicit(shape: PreferenceShape) -> dict:
    """Texts under prompt, chosen and rejected."""
    return {"prompt": shape.prompt.text, "chosen": shape.chosen, "rejected": shape.rejected}


def write_implicit(shape: PreferenceShape) -> dict:
    """The prompt inside both texts, by the plain template. Raises BadRow where nobody could tell them apart again."""
    if (shape.prompt.text + AFTER).find(AFTER) < len(shape.prompt.text):
        raise BadRow("the prompt contains the template's own words")
    asked = f"{BEFORE}{shape.prompt.text}{AFTER}"
    return {"chosen": asked + shape.chosen, "rejected": asked + shape.rejected}


def write_conversational(shape: PreferenceShape) -> dict:
    """Messages under prompt, chosen and rejected."""
    answers = {key: [{"role": "assistant", "content": getattr(shape, key)}] for key in ("chosen", "rejected")}
    return {"prompt": as_messages(shape.prompt)} | answers


def write_instruction(shape: InstructionShape) -> dict:
    """Texts under prompt and completion."""
    return {"prompt": shape.prompt.text, "completion": shape.output}


def write_instruction_messages(shape: InstructionShape) -> dict:
    """The whole conversation under `messages`."""
    return {"messages": [*as_messages(shape.prompt), {"role": "assistant", "content": shape.output}]}


def _split_messages(value: object, key: str) -> tuple[PromptShape, str | None]:
    messages = read_messages(value, key)
    answered = messages[-1]["role"] == "assistant"
    asked = make_prompt(messages[:-1] if answered else messages, key)
    return asked, messages[-1]["content"] if answered else None


def _implicit_conversations(row: dict) -> PreferenceShape:
    asked, chosen = _split_messages(row["chosen"], "chosen")
    asked_too, rejected = _split_messages(row["rejected"], "rejected")
    if chosen is None or rejected is None:
        raise BadRow(
            "'chosen' and 'rejected' must end with an assistant's message", "chosen" if chosen is None else "rejected"
        )
    if asked != asked_too:
        raise BadRow("the conversations differ before their last answer: only the last one may", "rejected")
    return PreferenceShape(asked, chosen, rejected, **read_metadata(row))


def _implicit_texts(row: dict) -> PreferenceShape:
    """Both texts from where they differ: after the template's end, else after the last white space before that."""
    chosen, rejected = read_text(row, "chosen"), read_text(row, "rejected")
    shared = os.path.commonprefix([chosen, rejected])
    template = shared.find(AFTER) if shared.startswith(BEFORE) else -1
    if template >= 0:
        start, end = len(BEFORE), template + len(AFTER)
        asked = shared[start:template]
    else:
        end = max(shared.rfind(space) for space in (" ", "\n", "\t")) + 1
        asked = shared[:end].rstrip()
    if not asked.strip():
        raise BadRow("'chosen' and 'rejected' share no prompt: give it under 'prompt'", "prompt")
    answers = {key: check_text(row[key][end:], key) for key in ("chosen", "rejected")}
    return PreferenceShape(PromptShape(asked), **answers, **read_metadata(row))

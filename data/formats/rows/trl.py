# SPDX-License-Identifier: Apache-2.0
"""TRL's dataset shapes: explicit (prompt, chosen, rejected) or implicit (the prompt inside both answers).

Each is standard (texts) or conversational (messages): https://huggingface.co/docs/trl/dataset_formats. In the
implicit standard shape a plain template holds the prompt; its end separates prompt and answer.
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
    """Return whether a row is in one of these shapes."""
    return bool({"prompt", "chosen", "rejected", "messages"} & row.keys())


def read_prompt(row: dict) -> PromptShape:
    """Return the prompt of a prompt-only row; of a row with `messages`, all turns up to the last user's."""
    if "prompt" not in row and "messages" in row:
        return _split_messages(row["messages"], "messages")[0]
    prompt = read_prompt_value(read_field(row, "prompt"), "prompt")
    facts = row.get("facts")
    if facts is not None and not isinstance(facts, dict):
        raise BadRow("'facts' must be an object", "facts")
    check_text(json.dumps(facts, ensure_ascii=False), "facts")
    return PromptShape(prompt.text, prompt.messages, read_optional_text(row, "family"), facts)


def read_instruction(row: dict) -> InstructionShape:
    """Read a row with prompt and completion, or with messages that end with the assistant's."""
    if "messages" in row:
        prompt, output = _split_messages(row["messages"], "messages")
        if output is None:
            raise BadRow("'messages' must end with an assistant's message", "messages")
    else:
        prompt, output = (
            read_prompt_value(read_field(row, "prompt"), "prompt"),
            read_answer(read_field(row, "completion"), "completion"),
        )
    return InstructionShape(prompt.text, "", output, prompt.messages, read_optional_text(row, "family"))


def read_preference(row: dict) -> PreferenceShape:
    """Read any of the four preference shapes.

    If both answers are whole conversations, they contain the prompt, and a text prompt is ignored.
    """
    chosen, rejected = read_field(row, "chosen"), read_field(row, "rejected")
    if isinstance(chosen, list) and isinstance(rejected, list) and not isinstance(row.get("prompt"), list):
        return _implicit_conversations(row)
    if "prompt" in row:
        prompt = read_prompt_value(row["prompt"], "prompt")
        return PreferenceShape(
            prompt, read_answer(chosen, "chosen"), read_answer(rejected, "rejected"), **read_metadata(row)
        )
    return _implicit_texts(row)


def write_explicit(shape: PreferenceShape) -> dict:
    """Return texts under prompt, chosen and rejected."""
    return {"prompt": shape.prompt.text, "chosen": shape.chosen, "rejected": shape.rejected}


def write_implicit(shape: PreferenceShape) -> dict:
    """Return both texts with the prompt in the plain template. Raises BadRow if the prompt contains the template."""
    if (shape.prompt.text + AFTER).find(AFTER) < len(shape.prompt.text):
        raise BadRow("the prompt contains the template's own words")
    prompt = f"{BEFORE}{shape.prompt.text}{AFTER}"
    return {"chosen": prompt + shape.chosen, "rejected": prompt + shape.rejected}


def write_conversational(shape: PreferenceShape) -> dict:
    """Return messages under prompt, chosen and rejected."""
    answers = {key: [{"role": "assistant", "content": getattr(shape, key)}] for key in ("chosen", "rejected")}
    return {"prompt": as_messages(shape.prompt)} | answers


def write_instruction(shape: InstructionShape) -> dict:
    """Return texts under prompt and completion."""
    return {"prompt": shape.prompt.text, "completion": shape.output}


def write_instruction_messages(shape: InstructionShape) -> dict:
    """Return the whole conversation under `messages`."""
    return {"messages": [*as_messages(shape.prompt), {"role": "assistant", "content": shape.output}]}


def _split_messages(value: object, key: str) -> tuple[PromptShape, str | None]:
    messages = read_messages(value, key)
    answered = messages[-1]["role"] == "assistant"
    prompt = make_prompt(messages[:-1] if answered else messages, key)
    return prompt, messages[-1]["content"] if answered else None


def _implicit_conversations(row: dict) -> PreferenceShape:
    prompt, chosen = _split_messages(row["chosen"], "chosen")
    other_prompt, rejected = _split_messages(row["rejected"], "rejected")
    if chosen is None or rejected is None:
        raise BadRow(
            "'chosen' and 'rejected' must end with an assistant's message", "chosen" if chosen is None else "rejected"
        )
    if prompt != other_prompt:
        raise BadRow("the conversations differ before their last answer: only the last one may", "rejected")
    return PreferenceShape(prompt, chosen, rejected, **read_metadata(row))


def _implicit_texts(row: dict) -> PreferenceShape:
    """Split both texts where they differ.

    The answers start after the template's end, else after the last white space before the first difference.
    """
    chosen, rejected = read_text(row, "chosen"), read_text(row, "rejected")
    shared = os.path.commonprefix([chosen, rejected])
    template = shared.find(AFTER) if shared.startswith(BEFORE) else -1
    if template >= 0:
        start, end = len(BEFORE), template + len(AFTER)
        prompt = shared[start:template]
    else:
        end = max(shared.rfind(space) for space in (" ", "\n", "\t")) + 1
        prompt = shared[:end].rstrip()
    if not prompt.strip():
        raise BadRow("'chosen' and 'rejected' share no prompt: give it under 'prompt'", "prompt")
    answers = [check_text(row[key][end:], key) for key in ("chosen", "rejected")]
    return PreferenceShape(PromptShape(prompt), answers[0], answers[1], **read_metadata(row))

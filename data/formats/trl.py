"""TRL's dataset shapes: explicit (prompt, chosen, rejected), implicit (the prompt inside both), standard or conversational.

https://huggingface.co/docs/trl/dataset_formats
In the implicit standard shape the prompt is written by the plain template, whose end tells the prompt from the answer.
"""

from __future__ import annotations

import json
import os

from data.formats.conversation import answer_of, messages_of, prompt_of, prompt_of_messages, turns
from data.formats.fields import BadRow, checked_text, optional_text, text, wanted
from data.formats.preference_metadata import stated
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

BEFORE, AFTER = "### Instruction:\n", "\n\n### Response:\n"


def matches(row: dict) -> bool:
    """Whether a row is in one of these shapes."""
    return bool({"prompt", "chosen", "rejected", "messages"} & row.keys())


def prompt(row: dict) -> PromptShape:
    """The prompt of a prompt-only row; of a row with `messages`, all turns up to the last user's."""
    if "prompt" not in row and "messages" in row:
        return _split_messages(row["messages"], "messages")[0]
    found = prompt_of(wanted(row, "prompt"), "prompt")
    facts = row.get("facts")
    if facts is not None and not isinstance(facts, dict):
        raise BadRow("'facts' must be an object", "facts")
    checked_text(json.dumps(facts, ensure_ascii=False), "facts")
    return PromptShape(found.text, found.messages, optional_text(row, "family"), facts)


def instruction(row: dict) -> InstructionShape:
    """A row with prompt and completion, or with messages of which the last is the assistant's."""
    if "messages" in row:
        asked, output = _split_messages(row["messages"], "messages")
        if output is None:
            raise BadRow("'messages' must end with an assistant's message", "messages")
    else:
        asked, output = prompt_of(wanted(row, "prompt"), "prompt"), answer_of(wanted(row, "completion"), "completion")
    return InstructionShape(asked.text, "", output, asked.messages, optional_text(row, "family"))


def preference(row: dict) -> PreferenceShape:
    """Any of the four preference shapes; a text prompt beside whole conversations is theirs already."""
    chosen, rejected = wanted(row, "chosen"), wanted(row, "rejected")
    if isinstance(chosen, list) and isinstance(rejected, list) and not isinstance(row.get("prompt"), list):
        return _implicit_conversations(row)
    if "prompt" in row:
        asked = prompt_of(row["prompt"], "prompt")
        return PreferenceShape(asked, answer_of(chosen, "chosen"), answer_of(rejected, "rejected"), **stated(row))
    return _implicit_texts(row)


def explicit_row(shape: PreferenceShape) -> dict:
    """Texts under prompt, chosen and rejected."""
    return {"prompt": shape.prompt.text, "chosen": shape.chosen, "rejected": shape.rejected}


def implicit_row(shape: PreferenceShape) -> dict:
    """The prompt inside both texts, by the plain template. Raises BadRow where nobody could tell them apart again."""
    if (shape.prompt.text + AFTER).find(AFTER) < len(shape.prompt.text):
        raise BadRow("the prompt contains the template's own words")
    asked = f"{BEFORE}{shape.prompt.text}{AFTER}"
    return {"chosen": asked + shape.chosen, "rejected": asked + shape.rejected}


def conversational_row(shape: PreferenceShape) -> dict:
    """Messages under prompt, chosen and rejected."""
    answers = {key: [{"role": "assistant", "content": getattr(shape, key)}] for key in ("chosen", "rejected")}
    return {"prompt": turns(shape.prompt)} | answers


def instruction_row(shape: InstructionShape) -> dict:
    """Texts under prompt and completion."""
    return {"prompt": shape.prompt.text, "completion": shape.output}


def instruction_messages(shape: InstructionShape) -> dict:
    """The whole conversation under `messages`."""
    return {"messages": [*turns(shape.prompt), {"role": "assistant", "content": shape.output}]}


def _split_messages(value: object, key: str) -> tuple[PromptShape, str | None]:
    messages = messages_of(value, key)
    answered = messages[-1]["role"] == "assistant"
    asked = prompt_of_messages(messages[:-1] if answered else messages, key)
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
    return PreferenceShape(asked, chosen, rejected, **stated(row))


def _implicit_texts(row: dict) -> PreferenceShape:
    """Both texts from where they differ: after the template's end, else after the last white space before that."""
    chosen, rejected = text(row, "chosen"), text(row, "rejected")
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
    answers = {key: checked_text(row[key][end:], key) for key in ("chosen", "rejected")}
    return PreferenceShape(PromptShape(asked), **answers, **stated(row))

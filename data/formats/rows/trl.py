# SPDX-License-Identifier: Apache-2.0
"""TRL's dataset shapes: explicit (prompt, chosen, rejected) or implicit (the prompt inside both answers).

Each is standard (texts) or conversational (messages): https://huggingface.co/docs/trl/dataset_formats. Of an implicit
row the turns are read: messages, or the marks of a chat template. The prompt of texts without marks would be a guess,
which only the format `trl-implicit` makes.
"""

from __future__ import annotations

import json
from typing import NoReturn

from data.formats.nested import looks_like_messages
from data.formats.rows.conversation import (
    add_context,
    as_messages,
    make_prompt,
    note_left_answer,
    read_answer,
    read_prompt_with_context,
    split_conversation,
    unspaced,
)
from data.formats.rows.export_values import write_answer, write_messages, write_text, write_text_prompt
from data.formats.rows.fields import (
    BadRow,
    Row,
    check_text,
    read_field,
    read_names,
    read_nested,
    read_optional_text,
    read_text,
)
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape
from data.formats.transcripts import AFTER, BEFORE, Transcript, parse_transcript

NAME = "trl"
NEEDS = (
    frozenset({"prompt", "chosen", "rejected"}),
    frozenset({"chosen", "rejected"}),
    frozenset({"prompt"}),
    frozenset({"chosen"}),
    frozenset({"rejected"}),
    frozenset({"messages"}),
)
COLUMNS = {
    "prompt": "prompt",
    "messages": "turns",
    "completion": "answer",
    "chosen": "better answer",
    "rejected": "worse answer",
}
ANSWERS = ("chosen", "rejected")
STANDARD = "TRL standard"
PROMPTS = ("question", "input", "query", "instruction", "user", "post", "task", "text")
"""Columns of other files that hold what a person asked."""


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt of a row; of one with `messages` or two conversations, all turns up to the last user's."""
    if "prompt" not in row and "messages" in row:
        return add_context(row, split_conversation(row, "messages")[0])
    if "prompt" not in row and {"chosen", "rejected"} <= row.names:
        note_left_answer(row, "chosen")
        return read_answers(row)[0]
    prompt = read_prompt_with_context(row, "prompt")
    facts = row.get("facts")
    if facts is not None:
        facts = read_nested(row, "facts")
        if not isinstance(facts, dict):
            raise BadRow.of("row.object", "facts")
        check_text(json.dumps(facts, ensure_ascii=False), "facts")
    return PromptShape(prompt.text, prompt.messages, read_optional_text(row, "family"), facts)


def read_instruction(row: Row) -> InstructionShape:
    """Read a row with prompt and completion (or response), or with messages that end with the assistant's."""
    check_learned(row)
    if "messages" in row:
        prompt, output = split_conversation(row, "messages", learned=True)
        if output is None:
            raise BadRow.of("row.assistant_message", "messages")
        prompt = add_context(row, prompt)
    else:
        prompt = read_prompt_with_context(row, "prompt")
        key = "response" if "response" in row and "completion" not in row else "completion"
        output = unspaced(row, "prompt", read_answer(row, key, prompt))
    family, defects = read_optional_text(row, "family"), read_names(row, "defects")
    return InstructionShape(prompt.text, "", check_text(output, "completion"), prompt.messages, family, defects)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Read any of the four preference shapes."""
    return make_preference(row, *read_answers(row))


def read_answers(row: Row) -> tuple[PromptShape, str, str]:
    """Return the prompt, the better and the worse answer.

    If both answers are whole conversations, they contain the prompt.
    """
    chosen, rejected = read_field(row, "chosen"), read_field(row, "rejected")
    whole = _is_conversation(row, chosen, "chosen") and _is_conversation(row, rejected, "rejected")
    if whole and not isinstance(row.peek("prompt"), list):
        return _read_conversations(row)
    if "prompt" in row:
        prompt = read_prompt_with_context(row, "prompt")
        better, worse = (unspaced(row, "prompt", read_answer(row, key, prompt, blank=True)) for key in ANSWERS)
        return prompt, better, worse
    transcripts = read_transcripts(row)
    if transcripts is None:
        refuse_missing_prompt(row)
    return _read_turns(row, *transcripts)


def read_transcripts(row: Row) -> tuple[Transcript, Transcript] | None:
    """Return the turns of both answers if chat marks hold each of them from its beginning to its end."""
    chosen, rejected = (parse_transcript(read_text(row, key)) for key in ("chosen", "rejected"))
    return (chosen, rejected) if chosen and rejected else None


def refuse_missing_prompt(row: Row) -> NoReturn:
    """Raise BadRow for a preference without a prompt; it names the column that looks like one."""
    near = next((key for key in row if key.casefold() in PROMPTS), None)
    if near:
        raise BadRow.of("row.prompt_name", "prompt", near=near)
    raise BadRow.of("row.no_prompt", "prompt")


def write_explicit(shape: PreferenceShape) -> dict:
    """Return texts under prompt, chosen and rejected. Raises BadRow for a conversation."""
    return {
        "prompt": write_text_prompt(shape.prompt, STANDARD),
        "chosen": write_text(shape.chosen, STANDARD),
        "rejected": write_text(shape.rejected, STANDARD),
    }


def write_implicit(shape: PreferenceShape) -> dict:
    """Return both texts with the prompt in the plain template.

    Raises BadRow for a conversation, for a prompt that contains the template, and for an answer of spaces.
    """
    text = write_text_prompt(shape.prompt, STANDARD)
    if (text + AFTER).find(AFTER) < len(text):
        raise BadRow.of("row.template_words")
    refuse_spaces(shape)
    prompt = f"{BEFORE}{text}{AFTER}"
    return {"chosen": prompt + shape.chosen, "rejected": prompt + shape.rejected}


def refuse_spaces(shape: PreferenceShape) -> None:
    """Raise BadRow for an answer of nothing but spaces: at the end of a transcript it is no answer yet."""
    if any(answer.isspace() for answer in (shape.chosen, shape.rejected)):
        raise BadRow.of("row.spaces")


def write_conversational(shape: PreferenceShape) -> dict:
    """Return messages under prompt, chosen and rejected, and the tools of the prompt beside them."""
    messages, tools = write_messages(shape.prompt)
    return {"prompt": messages, "chosen": write_answer(shape.chosen), "rejected": write_answer(shape.rejected)} | tools


def write_instruction(shape: InstructionShape) -> dict:
    """Return texts under prompt and completion. Raises BadRow for a conversation."""
    return {"prompt": write_text_prompt(shape.prompt, STANDARD), "completion": write_text(shape.output, STANDARD)}


def write_instruction_messages(shape: InstructionShape) -> dict:
    """Return the whole conversation under `messages`."""
    messages, tools = write_messages(shape.prompt)
    return {"messages": [*messages, *write_answer(shape.output)]} | tools


def write_prompt(shape: PromptShape) -> dict:
    """Return the prompt's text. Raises BadRow for a conversation."""
    return {"prompt": write_text_prompt(shape, STANDARD)}


def write_prompt_messages(shape: PromptShape) -> dict:
    """Return the prompt as messages, and its tools beside them."""
    messages, tools = write_messages(shape)
    return {"prompt": messages} | tools


def _is_conversation(row: Row, value: object, key: str) -> bool:
    """Return whether an answer is a list of messages; of one message only if the row has no prompt."""
    if isinstance(value, str) and looks_like_messages(value):
        value = read_nested(row, key)
    return isinstance(value, list) and (len(value) > 1 or "prompt" not in row)


def _read_conversations(row: Row) -> tuple[PromptShape, str, str]:
    prompt, chosen = split_conversation(row, "chosen")
    other_prompt, rejected = split_conversation(row, "rejected")
    if chosen is None or rejected is None:
        raise BadRow.of("row.assistant_messages", "chosen" if chosen is None else "rejected")
    if prompt != other_prompt:
        raise BadRow.of("row.conversations_differ", "rejected")
    _read_repeated(row, prompt)
    return add_context(row, prompt), chosen, rejected


def _read_repeated(row: Row, prompt: PromptShape) -> None:
    """Mark `prompt` as read if it repeats a turn of the conversation; another one is a column that is not read."""
    if row.peek("prompt") in [turn["content"] for turn in as_messages(prompt)]:
        row.get("prompt")


def _read_turns(row: Row, chosen: Transcript, rejected: Transcript) -> tuple[PromptShape, str, str]:
    """Return the turns that two transcripts share, and their last answers."""
    prompts, answers = [], []
    for key, transcript in (("chosen", chosen), ("rejected", rejected)):
        turns = transcript.messages
        if turns[-1]["role"] == "user" and not transcript.open:
            raise BadRow.of("row.transcript_turn", key)
        answered = turns[-1]["role"] == "assistant"
        prompts.append(turns[:-1] if answered else turns)
        answers.append(turns[-1]["content"] if answered else "")
    if prompts[0] != prompts[1]:
        raise BadRow.of("row.transcripts_differ", "rejected")
    return add_context(row, make_prompt(prompts[0], "chosen")), answers[0], answers[1]

"""ShareGPT chats: `conversations`, a list of {from, value}; with `chosen` and `rejected` beside it, preferences (as LLaMA-Factory writes them)."""

from __future__ import annotations

from data.formats.conversation import ROLES, messages_of, prompt_of_messages
from data.formats.fields import BadRow, optional_text, wanted
from data.formats.preference_metadata import stated
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"} | {
    role: role for role in ROLES
}
"""What these files call the ones who speak, and what we do."""


def matches(row: dict) -> bool:
    """Whether a row is in this format."""
    return "conversations" in row


def prompt(row: dict) -> PromptShape:
    """All turns up to the last human's; an answer at the end is not read."""
    messages = _turns(row)
    return prompt_of_messages(messages[:-1] if messages[-1]["role"] == "assistant" else messages, "conversations")


def instruction(row: dict) -> InstructionShape:
    """The last answer is the one to imitate; all turns before it are its prompt."""
    *before, last = _turns(row)
    if last["role"] != "assistant":
        raise BadRow("'conversations' must end with the assistant's (gpt) turn", "conversations")
    asked = prompt_of_messages(before, "conversations")
    return InstructionShape(asked.text, "", last["content"], asked.messages, optional_text(row, "family"))


def preference(row: dict) -> PreferenceShape:
    """A conversation that awaits an answer, and two answers to it, each one turn."""
    answers = {key: _answer(wanted(row, key), key) for key in ("chosen", "rejected")}
    return PreferenceShape(prompt_of_messages(_turns(row), "conversations"), **answers, **stated(row))


def _turns(row: dict) -> list[dict]:
    value = wanted(row, "conversations")
    turns = (
        [_turn(item, f"conversations[{number}]") for number, item in enumerate(value)]
        if isinstance(value, list)
        else value
    )
    system = optional_text(row, "system") if row.get("system") != "" else None
    return messages_of(
        [{"role": "system", "content": system}, *turns] if system and isinstance(turns, list) else turns,
        "conversations",
    )


def _answer(value: object, key: str) -> str:
    (answer,) = messages_of([_turn(value[0] if isinstance(value, list) and len(value) == 1 else value, key)], key)
    if answer["role"] != "assistant":
        raise BadRow(f"{key!r} must be the assistant's (gpt) turn", key)
    return answer["content"]


def _turn(item: object, where: str) -> object:
    """A turn as a message; what is one already stays."""
    if not isinstance(item, dict) or {"role", "content"} <= item.keys():
        return item
    if not {"from", "value"} <= item.keys():
        raise BadRow(f"{where!r} must be an object with 'from' and 'value'", where)
    speaker = SPEAKERS.get(item["from"]) if isinstance(item["from"], str) else None
    if speaker is None:
        raise BadRow(f"{where!r} is from {str(item['from'])[:40]!r}; known are {', '.join(SPEAKERS)}", where)
    return {"role": speaker, "content": item["value"]}

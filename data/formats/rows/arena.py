"""Chatbot Arena's battles: two models answer, a visitor votes.

The cleaned battles (FastChat, serve/monitor/clean_battle_data.py) hold `conversation_a` and `conversation_b` as messages, `winner`
(model_a, model_b, tie, tie (bothbad)), `model_a`, `model_b` and `judge`; the later releases `prompt`, `response_a`, `response_b`, and the
winner so or as `winner_model_a`, `winner_model_b`, `winner_tie`, with prompt and responses as lists of turns, often written as JSON.
"""

from __future__ import annotations

import json

from data.formats.rows.conversation import make_prompt, read_messages
from data.formats.rows.fields import BadRow, check_text, read_field, read_optional_text
from data.formats.rows.preference_metadata import read_labeler, read_source
from data.formats.shapes import Answer, PairShape, PromptShape, Vote

SIDES = ("a", "b")
WINNERS = {
    "model_a": (0, False),
    "model_b": (1, False),
    "tie": (None, False),
    "tie (bothbad)": (None, True),
    "bothbad": (None, True),
}
ONE_HOT = ("model_a", "model_b", "tie")


def matches(row: dict) -> bool:
    """Whether a row is in this format."""
    return {"conversation_a", "conversation_b"} <= row.keys() or {"response_a", "response_b"} <= row.keys()


def read_prompt(row: dict) -> PromptShape:
    """What both models were asked."""
    return _asked(row)[0]


def read_preference(row: dict) -> PairShape:
    """The two answers and the visitor's vote, or none where the row has no winner."""
    asked, texts = _asked(row)
    answers: tuple[Answer, Answer] = tuple(
        (text, read_optional_text(row, f"model_{side}")) for text, side in zip(texts, SIDES, strict=True)
    )
    return PairShape(asked, answers, _votes(row), read_source(row))


def _asked(row: dict) -> tuple[PromptShape, tuple[str, str]]:
    talks = [_conversation(row, side) for side in SIDES]
    for side, talk in zip(SIDES, talks, strict=True):
        if talk[-1]["role"] != "assistant":
            raise BadRow("the conversation must end with the assistant's answer", f"conversation_{side}")
    if talks[0][:-1] != talks[1][:-1]:
        raise BadRow("the conversations differ before their last answer: only the last one may", "conversation_b")
    return make_prompt(talks[0][:-1], "conversation_a"), (talks[0][-1]["content"], talks[1][-1]["content"])


def _conversation(row: dict, side: str) -> list[dict]:
    if f"conversation_{side}" in row:
        return read_messages(row[f"conversation_{side}"], f"conversation_{side}")
    asked, said = _turns(row, "prompt"), _turns(row, f"response_{side}")
    if len(asked) != len(said):
        raise BadRow(f"'prompt' has {len(asked)} turns and 'response_{side}' {len(said)}", f"response_{side}")
    speakers = (("user", asked), ("assistant", said))
    return [{"role": role, "content": turns[number]} for number in range(len(asked)) for role, turns in speakers]


def _turns(row: dict, key: str) -> list[str]:
    """A text, or a list of texts, written as JSON or not."""
    value = read_field(row, key)
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = [value]
    turns = value if isinstance(value, list) and value else [value]
    return [check_text(turn, key) for turn in turns]


def _votes(row: dict) -> tuple[Vote, ...]:
    name = row.get("winner")
    if name is None:
        marked = [side for side in ONE_HOT if row.get(f"winner_{side}") in (1, True)]
        if len(marked) > 1:
            raise BadRow(f"{' and '.join(map(repr, marked))} are both marked as the winner", f"winner_{marked[1]}")
        if not marked:
            return ()
        name = marked[0]
    if not isinstance(name, str) or name not in WINNERS:
        raise BadRow(f"the winner {json.dumps(name)[:40]} is none of {', '.join(WINNERS)}", "winner")
    winner, both_bad = WINNERS[name]
    return (Vote(winner, labeler=read_labeler(row, "judge"), both_bad=both_bad),)

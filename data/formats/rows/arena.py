# SPDX-License-Identifier: Apache-2.0
"""Chatbot Arena's battles: two models answer, and a visitor votes.

The cleaned battles (FastChat, serve/monitor/clean_battle_data.py) hold `conversation_a` and `conversation_b` as
messages, `winner` (model_a, model_b, tie, tie (bothbad)), `model_a`, `model_b` and `judge`. Later releases hold
`prompt`, `response_a` and `response_b`, each a text or a list of turns, often as JSON. Their winner has the same
name, or the columns `winner_model_a`, `winner_model_b` and `winner_tie`.

Each model answers its own history. The prompt is what both conversations share, up to a user's message. If they differ
before their last answer, the turns from there on are the answer, as one text with the speakers.
"""

from __future__ import annotations

import json

from data.formats.rows.conversation import add_context, make_prompt, note_left_answer
from data.formats.rows.fields import BadRow, Row, check_text, read_flag, read_nested, read_optional_text
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import read_labeler, read_source
from data.formats.shapes import PairShape, PromptShape, Vote
from data.formats.tracked_row import is_blank, remark
from data.tables.prompts import conversation_text
from data.texts import join_texts

NAME = "arena"
NEEDS = (frozenset({"conversation_a", "conversation_b"}), frozenset({"response_a", "response_b"}))
COLUMNS = {
    "conversation_a": "turns and answer",
    "conversation_b": "turns and answer",
    "prompt": "prompt",
    "response_a": "answer",
    "response_b": "answer",
    "model_a": "model",
    "model_b": "model",
    "winner": "vote",
    "winner_model_a": "vote",
    "winner_model_b": "vote",
    "winner_tie": "vote",
    "judge": "labeler",
}
SIDES = ("a", "b")
WINNERS = {
    "model_a": (0, False),
    "model_b": (1, False),
    "tie": (None, False),
    "tie (bothbad)": (None, True),
    "tie (inconsistent)": (None, False),  # a judge that changed its vote with the order of the answers
    "bothbad": (None, True),
    "both_bad": (None, True),
}
ONE_HOT = ("model_a", "model_b", "tie")


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt that both models answered."""
    return read_battle_prompt(row)


def read_preference(row: Row) -> PairShape:
    """Return the two answers and the visitor's vote, or no vote if the row has no winner."""
    return read_battle(row)


def read_battle_prompt(row: Row, turns: int | None = None) -> PromptShape:
    """Return the prompt of the first turns that both models answered, of all turns without a number."""
    note_left_answer(row, "conversation_a" if "conversation_a" in row else "response_a")
    if "conversation_a" not in row and len(questions := _turns(row, "prompt")) == 1:
        return add_context(row, PromptShape(questions[0]))
    return _prompt_and_answers(row, turns)[0]


def read_battle(row: Row, turns: int | None = None) -> PairShape:
    """Return the two answers in the first turns, of all turns without a number, and the vote."""
    prompt, texts = _prompt_and_answers(row, turns)
    models = [read_optional_text(row, f"model_{side}") for side in SIDES]
    return PairShape(prompt, ((texts[0], models[0]), (texts[1], models[1])), _votes(row), read_source(row))


def _prompt_and_answers(row: Row, turns: int | None) -> tuple[PromptShape, tuple[str, str]]:
    first, second = (_first_turns(row, _conversation(row, side), turns) for side in SIDES)
    for side, messages in zip(SIDES, (first, second), strict=True):
        if messages[-1]["role"] != "assistant":
            raise BadRow.of("row.unanswered", f"conversation_{side}")
    shared = _count_shared(first, second)
    if not shared:
        raise BadRow.of("row.other_prompts", "conversation_b")
    answers = first[shared:], second[shared:]
    if any(len(answer) > 1 for answer in answers):
        row.note(remark("turns_as_text"))
    prompt = add_context(row, make_prompt(first[:shared], "conversation_a"))
    return prompt, (_as_text(answers[0]), _as_text(answers[1]))


def _first_turns(row: Row, messages: list[dict], turns: int | None) -> list[dict]:
    """Return the messages up to the answer of this turn."""
    ends = [place + 1 for place, message in enumerate(messages) if message["role"] == "assistant"]
    if turns is None or turns >= len(ends):
        return messages
    row.note(remark("later_turns", turn=turns))
    return messages[: ends[turns - 1]]


def _count_shared(first: list[dict], second: list[dict]) -> int:
    """Return the number of messages that both conversations share, up to a user's one that each model answers."""
    shared = 0
    for place, (one, other) in enumerate(zip(first[:-1], second[:-1], strict=False), 1):
        if one != other:
            break
        if one["role"] == "user":
            shared = place
    return shared


def _as_text(messages: list[dict]) -> str:
    """Return the only answer as it is, and several turns with their speakers."""
    return messages[0]["content"] if len(messages) == 1 else conversation_text(messages)


def _conversation(row: Row, side: str) -> list[dict]:
    if f"conversation_{side}" in row:
        return read_messages(row, f"conversation_{side}")
    questions, answers = _turns(row, "prompt"), _turns(row, f"response_{side}")
    if len(questions) != len(answers):
        raise BadRow.of("row.turn_counts", f"response_{side}", questions=len(questions), answers=len(answers))
    speakers = (("user", questions), ("assistant", answers))
    return [{"role": role, "content": turns[number]} for number in range(len(questions)) for role, turns in speakers]


def _turns(row: Row, key: str) -> list[str]:
    """Return the texts of a field: one text or a list of texts, written as JSON or not. An answer may be empty."""
    value = read_nested(row, key)
    if not isinstance(value, list) or not value or not all(isinstance(turn, str | None) for turn in value):
        value = [row[key]]
    return [check_text(turn, key, blank=key != "prompt") for turn in value]


def _votes(row: Row) -> tuple[Vote, ...]:
    if not row.judged:
        return ()
    name = row.get("winner")
    if is_blank(name):
        marked = [side for side in ONE_HOT if read_flag(row, f"winner_{side}")]
        if len(marked) > 1:
            raise BadRow.of("row.winners", f"winner_{marked[1]}", names=join_texts("and", map(repr, marked)))
        if not marked:
            return ()
        name = marked[0]
    if not isinstance(name, str) or name not in WINNERS:
        raise BadRow.of("row.winner_unknown", "winner", given=json.dumps(name)[:40], known=", ".join(WINNERS))
    winner, both_bad = WINNERS[name]
    return (Vote(winner, labeler=read_labeler(row, "judge"), both_bad=both_bad),)

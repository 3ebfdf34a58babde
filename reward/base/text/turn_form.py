# SPDX-License-Identifier: Apache-2.0
"""The form of an assistant's turn, found by rendering the chat template with a probe.

A turn stands after the generation prompt: an opening, the answer's text, the ids that end it. Chat formats differ in
all three: Gemma ends with <end_of_turn>, Qwen 3 opens with an empty block of thoughts, gpt-oss with a channel.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

from data.errors import BadInput
from data.thoughts import CLOSE, OPEN
from labeling.texts.pages import stored_line
from reward.base.text.chat_template import ChatTemplate

USER, ANSWER, NEXT, THOUGHTS = "Question 41", "Answer 97", "Question 68", "Thought 53"
"""Texts of the probe."""
CLOSING = ("", f"\n{CLOSE}\n\n")
"""The texts around thoughts that the prompt opens, if the template does not write them itself."""


@dataclass(frozen=True)
class TurnForm:
    """The form of an assistant's turn after `start`, the probe's prompt.

    `opening` is the text between prompt and answer, `end` the ids after the answer. `thoughts` is the text before
    and after a model's thoughts, if the template writes them. `problem` says why the form is not the template's own.
    """

    start: str
    opening: str
    end: tuple[int, ...]
    thoughts: tuple[str, str] | None = None
    problem: str = ""

    @property
    def thinks_first(self) -> bool:
        """Return whether the prompt itself opens a block of thoughts."""
        return self.start.rstrip().endswith(OPEN)

    @property
    def form(self) -> tuple[object, ...]:
        """Return all that decides the ids of an answer."""
        return self.opening, self.end, self.thoughts, self.thinks_first

    @property
    def inner_texts(self) -> tuple[str, ...]:
        """Return all texts that the template writes inside a turn."""
        return (self.opening, *(self.thoughts or ()))


def probe_turn(chat: ChatTemplate, ends: Collection[int], control: Collection[int], fallback: int) -> TurnForm:
    """Return the form in which this template writes an assistant's turn.

    `ends` are the model's end ids and `control` the tokenizer's special ids. If the template does not separate, the
    form is the answer's text and the id `fallback`, with the problem.
    """
    user, answer = {"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}
    start = ""
    try:
        start = chat.text([user], prompt=True)
        whole = chat.text([user, answer], prompt=False)
        if whole.count(ANSWER) != 1:
            raise BadInput.of("train.note.template_changes")
        head, tail = whole.split(ANSWER)
        end = _end_ids(_ids_after_answer(chat, tail), _following_ids(chat, user, answer), ends, control)
        if not end:
            raise BadInput.of("train.note.template_endless")
        thoughts = _thought_texts(chat, user, answer, start)
        if head.startswith(start):
            return TurnForm(start, head[len(start) :], end, thoughts)
        if start.rstrip().endswith(OPEN):  # the prompt opens the thoughts, so an answer without any closes them
            return TurnForm(start, "".join(thoughts or CLOSING), end, thoughts or CLOSING)
        problem = stored_line("note.template_unanswered", end=start[-20:])
        return TurnForm(start, "", end, problem=problem)
    except BadInput as refused:
        return TurnForm(start, "", (fallback,), problem=refused.error)


def _end_ids(
    tail: Sequence[int], following: Sequence[int], ends: Collection[int], control: Collection[int]
) -> tuple[int, ...]:
    """Return the ids that end an answer, from those after a last answer and those between an answer and a next turn.

    Both may hold more than the end: line ends, marks of the answer, the end of the whole text, the next turn's mark.
    """
    model_end = _first(tail, ends)
    mark = _first(tail, {*control, *ends})
    if mark is None:  # some formats let the next turn's mark end an answer
        return tuple(following[:1]) if following[:1] and following[0] in ends else ()
    if model_end is not None and (mark == model_end or tail[model_end] in following or not following):
        return tuple(tail[: model_end + 1])
    return tuple(tail[: mark + 1])


def _first(ids: Sequence[int], wanted: Collection[int]) -> int | None:
    return next((place for place, id in zip(count(), ids, strict=False) if id in wanted), None)


def _ids_after_answer(chat: ChatTemplate, text: str) -> list[int]:
    """Return the ids of a text that stands after an answer."""
    alone, both = (chat.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (ANSWER, ANSWER + text))
    if both[: len(alone)] == alone:
        return both[len(alone) :]
    return chat.tokenizer(text, add_special_tokens=False)["input_ids"]


def _following_ids(chat: ChatTemplate, user: dict[str, str], answer: dict[str, str]) -> list[int]:
    """Return the ids between an answer and the next turn's text; none if the template refuses a next turn."""
    try:
        text = chat.text([user, answer, user | {"content": NEXT}], prompt=False)
    except BadInput:
        return []
    return _ids_after_answer(chat, text.partition(ANSWER)[2].partition(NEXT)[0])


def _thought_texts(
    chat: ChatTemplate, user: dict[str, str], answer: dict[str, str], start: str
) -> tuple[str, str] | None:
    """Return the texts before and after thoughts; None if the template writes no thoughts after the prompt."""
    try:
        text = chat.text([user, answer | {"reasoning_content": THOUGHTS}], prompt=False)
    except BadInput:
        return None
    before, _, rest = text.removeprefix(start).partition(THOUGHTS)
    between, _, _ = rest.partition(ANSWER)
    return (before, between) if text.startswith(start) and rest and between != rest else None

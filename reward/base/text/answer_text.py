# SPDX-License-Identifier: Apache-2.0
"""Answers: text to ids and ids to text, in the form in which a template writes an assistant's turn.

An answer's text begins with its thoughts, if it has any, as `data.thoughts` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from data.thoughts import CLOSE, OPEN, join_thoughts, split_thoughts
from reward.base.text.chat_template import ChatTemplate
from reward.base.text.turn_form import TurnForm

SAMPLES = ("Hi you.", " x", "12", "한국어")
"""Texts that tell whether a tokenizer writes an answer alone as it writes it after the prompt."""


@dataclass(frozen=True)
class AnswerText:
    """Writes and reads answers. `start_ids` are the ids of the turn's `start`; `chat` is None without a template."""

    tokenizer: PreTrainedTokenizerBase
    turn: TurnForm
    start_ids: Sequence[int]
    chat: ChatTemplate | None
    control: frozenset[int]

    @cached_property
    def marks(self) -> frozenset[int]:
        """Control tokens that the template writes inside a turn, so that an answer may hold them."""
        texts = "".join(self.turn.inner_texts)
        inside = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return frozenset((*inside, *self.turn.end[:-1])) & self.control

    def ids(self, text: str) -> list[int]:
        """Return the ids of a finished answer: what the template writes before it, its text, the turn's end."""
        thoughts, answer = split_thoughts(text)
        if not thoughts:
            parts = [self.turn.opening, answer]
        elif self.turn.thoughts:
            parts = [self.turn.thoughts[0], thoughts, self.turn.thoughts[1], answer]
        else:
            parts = ["", text]
        return [*self._part_ids(parts), *self.turn.end]

    def text(self, ids: Sequence[int], *, ended: bool) -> str:
        """Return the text of ids without the end token, with the thoughts before it and without control tokens."""
        closing = list(self.turn.end[:-1])
        if ended and closing and list(ids[-len(closing) :]) == closing:
            ids = ids[: -len(closing)]
        marked = not self.marks.isdisjoint(ids)
        text = self.plain_text(ids, keep_marks=marked)
        thoughts = self._split_thoughts(text)
        if thoughts:
            return join_thoughts(thoughts[0], self._after_marks(thoughts[1]) if marked else thoughts[1])
        text = text.removeprefix(self.turn.opening)
        return self._after_marks(text) if marked else text

    def plain_text(self, ids: Sequence[int], *, keep_marks: bool = False) -> str:
        """Return the text of the ids as the tokenizer decodes them."""
        text = self.tokenizer.decode(list(ids), skip_special_tokens=not keep_marks)
        assert isinstance(text, str), "one sequence decodes to one text"
        return text

    def _split_thoughts(self, text: str) -> tuple[str, str] | None:
        """Return thoughts and answer; None if the template writes no thoughts, or the text does not begin with them."""
        if not self.turn.thoughts or not text.startswith(self.turn.thoughts[0]):
            return None
        before, between = self.turn.thoughts
        thoughts, found, answer = text.removeprefix(before).partition(between)
        if found:
            return thoughts, answer
        if CLOSE in text:  # with other line ends than the template's
            return split_thoughts(OPEN + text if self.turn.thinks_first else text)
        return (thoughts, "") if before or self.turn.thinks_first else None

    def _after_marks(self, text: str) -> str:
        """Return the text after the last control token, and the rest as thoughts."""
        control = self.tokenizer.convert_ids_to_tokens(sorted(self.control))
        *earlier, answer = re.split("|".join(map(re.escape, control)), text)
        return join_thoughts("\n".join(filter(None, earlier)), answer)

    def _part_ids(self, parts: Sequence[str]) -> list[int]:
        """Return the ids of parts that are in turn control text and text."""
        if len(parts) == 2 and not parts[0] and self._alone_is_exact:
            return self.literal_ids(parts[1])
        within = self._ids_after_start(parts)
        if within is not None:
            return within
        alone: list[int] = []
        for number, part in enumerate(parts):
            alone += self.literal_ids(part) if number % 2 else self._control_ids(part)
        return alone

    @cached_property
    def _alone_is_exact(self) -> bool:
        return all(self._ids_after_start(["", text]) in (None, self.literal_ids(text)) for text in SAMPLES)

    def _ids_after_start(self, parts: Sequence[str]) -> list[int] | None:
        """Return the ids of the parts as they stand after the prompt; None if the prompt's last ids are other ones.

        A tokenizer of the SentencePiece kind writes a space before a text that stands alone.
        """
        if self.chat is None:
            whole = self.literal_ids(self.turn.start + "".join(parts))
        else:
            whole = self.chat.framed_ids([self.turn.start + parts[0], *parts[1:]])
        length = len(self.start_ids)
        return whole[length:] if whole[:length] == list(self.start_ids) else None

    def literal_ids(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is a control token."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _control_ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

# SPDX-License-Identifier: Apache-2.0
"""Shorten prompts by their content, never by their ids, so that the start token and the template's marks stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.errors import BadInput
from reward.base.text.encoding import Encoding

Message = Mapping[str, str]


def shorten_prompt(encoding: Encoding, prompt: str | Sequence[Message], tokens: int) -> list[int] | None:
    """Return the ids of a prompt, shortened to at most `tokens`; None if it cannot be shortened that far.

    The oldest turns are left out first; a system message and the last turns stay. Then the last turn loses the
    beginning of its text.
    """
    messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    system = messages[:1] if messages[0]["role"] == "system" else []
    turns = messages[len(system) :]
    starts = [place for place, turn in enumerate(turns) if turn["role"] == "user"] or [len(turns) - 1]
    for start in starts:
        ids = _fitting(encoding, [*system, *turns[start:]], tokens)
        if ids is not None:
            return ids
    return _cut_text(encoding, [*system, *turns[starts[-1] :]], len(system), tokens)


def _cut_text(encoding: Encoding, messages: Sequence[Message], place: int, tokens: int) -> list[int] | None:
    """Return the ids of the messages with as much as fits of the end of the text at `place`; None if none fits."""
    text, best = messages[place]["content"], None
    least, most = 1, len(text) - 1
    while least <= most:
        length = (least + most) // 2
        cut = {**messages[place], "content": text[len(text) - length :]}
        ids = _fitting(encoding, [*messages[:place], cut, *messages[place + 1 :]], tokens)
        if ids is None:
            most = length - 1
        else:
            best, least = ids, length + 1
    return best


def _fitting(encoding: Encoding, messages: Sequence[Message], tokens: int) -> list[int] | None:
    """Return the ids of the messages; None if they are too many, or if the template refuses what is left."""
    try:
        ids = encoding.encode_template(messages)
    except BadInput:
        return None
    return ids if len(ids) <= tokens else None

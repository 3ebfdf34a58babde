# SPDX-License-Identifier: Apache-2.0
"""Answers as HTML, on every page that shows one: a model's thoughts are folded above the answer."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from data.thoughts import split_thoughts
from labeling.texts.translate import say
from labeling.texts.user_text import marks


def draw_answer(
    language: str, answer: str, kind: str = "text", more: str = "", shorten: Callable[[str], str] = str
) -> str:
    """Return an answer as an element of the class `kind` that begins with its folded thoughts.

    `more`: further attributes. `shorten` may cut each of the two texts.
    """
    thoughts, final = map(shorten, split_thoughts(answer))
    inner = fold_thoughts(language, thoughts) + escape(final)
    return f"<div class={kind} {marks(final)}{f' {more}' if more else ''}>{inner}</div>"


def fold_thoughts(language: str, thoughts: str) -> str:
    """Return a model's thoughts as plain text behind a line that opens them; empty for none."""
    if not thoughts:
        return ""
    summary = f"<summary>{say(language, 'thoughts')}</summary>"
    # with a direction of its own, the name of the fold does not decide that of the answer around it
    return f"<details class=thoughts dir=auto>{summary}<div {marks(thoughts)}>{escape(thoughts)}</div></details>"


def captioned_answer(language: str, caption: str, answer: str) -> str:
    """Return an answer below its caption; the caption does not decide the direction of the text."""
    return f"<div><small>{escape(caption)}</small>{draw_answer(language, answer, 'told')}</div>"

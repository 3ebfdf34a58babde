# SPDX-License-Identifier: Apache-2.0
"""Formatted texts, each rendered once: a bounded cache by content. None means: show the plain text.

Completions never change, so a cached text is never outdated. A short text with a small budget is formatted here. What
takes longer goes to a process of its own, since a busy thread would keep the interpreter from the others.
"""

from __future__ import annotations

from functools import lru_cache

from data.logs import LOG
from labeling.page.budget import TooComplex
from labeling.page.markdown import markdown
from labeling.page.render_process import RenderFailed, RenderProcess
from labeling.page.word_diff import mark_differences

SHORT = 4_000
"""Characters up to which a text is formatted here."""
SHORT_STEPS, SHORT_PAIRS = 5_000, 50_000
"""Steps of Markdown, and pairs of equal words, that a short text may take here: at most 30 ms."""
PROCESS = RenderProcess()


def format_text(text: str, links: bool = False) -> str | None:
    """Return Markdown as HTML, or None above the budget. `links`: see `markdown`."""
    try:
        return _format_text(text, links)
    except RenderFailed:
        _report_failure()
        return None


def format_differences(left: str, right: str) -> tuple[str, str] | None:
    """Return both texts as HTML with their differences marked, or None above the budget."""
    try:
        return _format_differences(left, right)
    except RenderFailed:
        _report_failure()
        return None


@lru_cache(maxsize=256)
def _format_text(text: str, links: bool) -> str | None:
    try:
        if len(text) <= SHORT:
            return markdown(text, links, SHORT_STEPS)
    except TooComplex:
        pass
    try:
        return PROCESS.call("markdown", text, links)[0]
    except TooComplex:
        return None


@lru_cache(maxsize=64)
def _format_differences(left: str, right: str) -> tuple[str, str] | None:
    try:
        if len(left) + len(right) <= SHORT:
            return mark_differences(left, right, SHORT_PAIRS)
    except TooComplex:
        pass
    try:
        marked_left, marked_right = PROCESS.call("mark_differences", left, right)
    except TooComplex:
        return None
    return marked_left, marked_right


def _report_failure() -> None:
    LOG.warning("a text could not be formatted and is shown as plain text; it is tried again when it is next shown")

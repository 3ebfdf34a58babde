# SPDX-License-Identifier: Apache-2.0
"""Formatted texts, each rendered once: a bounded cache by content. None means: show the plain text.

Completions never change, so a cached text is never outdated. A short text with a small budget is formatted here. What
takes longer goes to a process of its own, since a busy thread would keep the interpreter from the others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from data.logs import LOG
from labeling.page.budget import TooComplex
from labeling.page.render_process import RenderFailed, RenderProcess, render

SHORT = 4_000
"""Characters up to which a text is formatted here."""
SHORT_STEPS, SHORT_PAIRS = 5_000, 50_000
"""Steps of Markdown, and pairs of equal words, that a short text may take here: at most 30 ms."""
PROCESS = RenderProcess()
Html = list[str] | None
"""The HTML of each text, or None above the budget."""


def format_text(text: str, links: bool = False) -> str | None:
    """Return Markdown as HTML, or None above the budget. `links`: see `markdown`."""
    html = _unless_failed(_format_text, text, links)
    return html[0] if html else None


def format_differences(left: str, right: str) -> tuple[str, str] | None:
    """Return both texts as HTML with their differences marked, or None above the budget."""
    html = _unless_failed(_format_differences, left, right)
    return (html[0], html[1]) if html else None


@lru_cache(maxsize=256)
def _format_text(text: str, links: bool) -> Html:
    return _format("markdown", SHORT_STEPS, text, links)


@lru_cache(maxsize=64)
def _format_differences(left: str, right: str) -> Html:
    return _format("mark_differences", SHORT_PAIRS, left, right)


def _format(name: str, steps: int, *values: str | bool) -> Html:
    if sum(len(value) for value in values if isinstance(value, str)) <= SHORT:
        with suppress(TooComplex):
            return render(name, *values, steps)
    with suppress(TooComplex):
        return PROCESS.call(name, *values)
    return None


def _unless_failed(cached: Callable[..., Html], *values: str | bool) -> Html:
    """Return what a cached function returns, or None after a failure, which no cache keeps."""
    try:
        return cached(*values)
    except RenderFailed:
        LOG.warning("a text could not be formatted and is shown as plain text; it is tried again when it is next shown")
        return None

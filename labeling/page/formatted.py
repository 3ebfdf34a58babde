# SPDX-License-Identifier: Apache-2.0
"""Formatted texts, each rendered once: a bounded cache by content. None means above the budget: show the plain text.

Completions never change, so a cached text is never outdated. Only one text is rendered at a time: two busy threads
would slow the writer. Cached and plain texts do not wait.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from labeling.page.budget import TooComplex
from labeling.page.markdown import markdown
from labeling.page.word_diff import mark_differences

RENDERING = threading.Lock()


@lru_cache(maxsize=256)
def format_text(text: str, links: bool = False) -> str | None:
    """Return Markdown as HTML, or None above the budget. `links`: see `markdown`."""
    with RENDERING:
        try:
            return markdown(text, links=links)
        except TooComplex:
            return None


@lru_cache(maxsize=64)
def format_differences(left: str, right: str) -> tuple[str, str] | None:
    """Return both texts as HTML with their differences marked, or None above the budget."""
    with RENDERING:
        try:
            return mark_differences(left, right)
        except TooComplex:
            return None

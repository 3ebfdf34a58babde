"""Components that the pages share. Texts of models and people become HTML without markup of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from reward.report.view import said as said

Looks = Sequence[Callable]
"""The events on which a page looks at the store again: it was loaded, turned to, or some seconds went by."""
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
WHERE = "(...given) => [location.hash || '#loop', ...given.slice(1)]"
"""Put before such a look: its first input becomes the page on the screen, so that hidden pages cost nothing."""


def esc(value: Any) -> str:
    """Text, never markup."""
    return escape(str(value), quote=True)


def empty(message: str, link: str = "", label: str = "") -> str:
    """An empty state: what is missing and the step that fills it."""
    door = f" <a href='{esc(link)}'>{esc(label)}</a>" if link else ""
    return f"<div class=empty>{esc(message)}{door}</div>"


def facts(pairs: dict[str, Any]) -> str:
    """Short facts in a row, each under its name; empty ones are left out."""
    shown = ((name, value) for name, value in pairs.items() if value not in (None, "", [], {}))
    return f"<div class=facts>{''.join(f'<div><span class=k>{esc(name)}</span><br>{esc(value)}</div>' for name, value in shown)}</div>"


def beside(prompt: str, left: tuple[str, str], right: tuple[str, str] | None) -> str:
    """A prompt with one or two answers, each (caption, text); both go through the same renderer."""
    answers = (
        "".join(f"<div><small>{esc(caption)}</small>{esc(text)}</div>" for caption, text in (left, right) if caption)
        if right
        else (f"<div><small>{esc(left[0])}</small>{esc(left[1])}</div>")
    )
    return f"<div class=asked>{esc(prompt)}</div><div class=beside>{answers}</div>"


def percent(share: float | None) -> str:
    """61 %, or a dash."""
    return "–" if share is None else f"{100 * share:.0f} %"


def with_interval(share: float | None, interval: Any) -> str:
    """61 % (55–67), or a dash."""
    if share is None:
        return "–"
    low, high = interval or (None, None)
    return percent(share) if low is None else f"{percent(share)} ({100 * low:.0f}–{100 * high:.0f})"


def heading(title: str, lead: str) -> gr.HTML:
    """A page's title and the one line that says what it is for."""
    return html(value=f"<h1>{esc(title)}</h1><p class=soft>{esc(lead)}</p>")


def html(elem_id: str | None = None, value: str = "") -> gr.HTML:
    """A place for HTML made by these pages, without a frame of its own."""
    return gr.HTML(value, elem_id=elem_id, elem_classes="plain", padding=False)

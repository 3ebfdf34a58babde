# SPDX-License-Identifier: Apache-2.0
"""HTML fragments that the researcher's pages share. Each escapes every text that it is given. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from data.intervals import FEWEST
from rlhf.pages.texts import text


def esc(value: object) -> str:
    """Return the value as text without markup."""
    return escape(str(value), quote=True)


def empty(message: str, link: str = "", label: str = "") -> str:
    """Return an empty state: what is missing and the link to the step that fills it."""
    anchor = f" <a href='{esc(link)}'>{esc(label)}</a>" if link else ""
    return f"<div class=empty>{esc(message)}{anchor}</div>"


def facts(pairs: Mapping[str, object]) -> str:
    """Return short facts in a row, each under its name, without the empty ones."""
    shown = "".join(
        f"<div><span class=k>{esc(name)}</span><br>{esc(value)}</div>"
        for name, value in pairs.items()
        if value not in (None, "", [], {})
    )
    return f"<div class=facts>{shown}</div>"


def side_by_side(prompt: str, left: tuple[str, str], right: tuple[str, str] | None) -> str:
    """Return a prompt with one or two answers, each (caption, text); a single one takes the whole width."""
    shown = [left] if right is None else [answer for answer in (left, right) if answer[0]]
    answers = "".join(f"<div dir=auto><small>{esc(caption)}</small>{esc(answer)}</div>" for caption, answer in shown)
    return f"<div class=asked dir=auto>{esc(prompt)}</div><div class=beside>{answers}</div>"


def percent(share: float | None) -> str:
    """Return a share as `61 %`, or a dash for None."""
    return "–" if share is None else f"{100 * share:.0f} %"


def with_interval(share: float | None, interval: Sequence[float | None] | None, n: int | None = None) -> str:
    """Return a share with its interval and its number of units as `61 % (55–67) of 300`, or a dash for None.

    With fewer than FEWEST units it says that they are too few. `n` is None if the number is not known.
    """
    if share is None:
        return "–"
    if n is not None and n < FEWEST:
        return text("few_to_say", n=n)
    low, high = interval or (None, None)
    shown = percent(share) if low is None or high is None else f"{percent(share)} ({100 * low:.0f}–{100 * high:.0f})"
    return shown if n is None else text("of_units", share=shown, n=n)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], style: str = "plain-table") -> str:
    """Return an HTML table of texts."""
    names = "".join(f"<th scope=col>{esc(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table class={style}><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def columns(page: str, names: Sequence[str]) -> list[str]:
    """Return a table's headers, the texts `PAGE.column_NAME`."""
    return [text(f"{page}.column_{name}") for name in names]

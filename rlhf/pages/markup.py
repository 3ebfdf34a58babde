# SPDX-License-Identifier: Apache-2.0
"""HTML fragments that the researcher's pages share. Each escapes every text that it is given. Without gradio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from labeling.texts.answers import captioned_answer, draw_answer
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.user_text import block
from reward.report.addresses import link_value


def esc(value: object) -> str:
    """Return the value as text without markup."""
    return escape(str(value), quote=True)


def answer_html(answer: str, kind: str = "told", shorten: Callable[[str], str] = str) -> str:
    """Return an answer below its folded thoughts, in the reader's language; see `draw_answer`."""
    return draw_answer(reader_language(), answer, kind, shorten=shorten)


def empty(message: str, link: str = "", label: str = "") -> str:
    """Return an empty state: what is missing and the link to the step that fills it."""
    anchor = f" <a href='{esc(link)}'>{esc(label)}</a>" if link else ""
    return f"<div class=empty>{esc(message)}{anchor}</div>"


def live_line(sentence: str) -> str:
    """Return a sentence that leads to the Live page, with the link; nothing without one."""
    link = f"<a href='#live'>{esc(text('live.title'))}</a>"
    return f"<p class=soft>{esc(sentence)} {link}</p>" if sentence else ""


def facts(pairs: Mapping[str, object]) -> str:
    """Return short facts in a row, each under its name, without the empty ones; ids are links."""
    shown = "".join(
        f"<div><span class=k>{link_value(name)}</span><br>{link_value(value)}</div>"
        for name, value in pairs.items()
        if value not in (None, "", [], {})
    )
    return f"<div class=facts>{shown}</div>"


def side_by_side(prompt: str, left: tuple[str, str], right: tuple[str, str] | None) -> str:
    """Return a prompt with one or two answers, each (caption, text); a single one takes the whole width."""
    shown = [left] if right is None else [answer for answer in (left, right) if answer[0]]
    answers = "".join(captioned_answer(reader_language(), caption, answer) for caption, answer in shown)
    return f"{block(prompt, 'asked')}<div class=beside>{answers}</div>"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    style: str = "plain-table",
    cell: Callable[[str], str] = esc,
) -> str:
    """Return an HTML table of texts; `cell` escapes each one."""
    names = "".join(f"<th scope=col>{esc(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell(str(value))}</td>' for value in row)}</tr>" for row in rows)
    return f"<table class={style}><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def scrolling(name: str, inner: str, style: str = "") -> str:
    """Return a box that scrolls sideways, by keyboard too; `name` is read to screen readers, `inner` is safe HTML."""
    return f"<div class='scroll {style}' role=region aria-label='{esc(name)}' tabindex=0>{inner}</div>"


def columns(page: str, names: Sequence[str]) -> list[str]:
    """Return a table's headers, the texts `PAGE.column_NAME`."""
    return [text(f"{page}.column_{name}") for name in names]


def press_button(press: str, name: str, kind: str = "") -> str:
    """Return a button that presses the hidden one with the id `press`; `kind`: primary, quiet or empty."""
    return f"<button type=button class='press {kind}' data-press={press}>{esc(name)}</button>"

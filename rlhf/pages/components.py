# SPDX-License-Identifier: Apache-2.0
"""Components of gradio that most of the researcher's pages have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from labeling.texts.pages import text
from reward.page import Updates, data_table
from reward.report.addresses import link_ids
from rlhf.pages.markup import columns, esc


def unchanged() -> Updates:
    """Return the answer of a handler that changes no component."""
    return gr.skip()


def heading(page: str) -> gr.HTML:
    """Return a page's title and the one line that says what the page is for."""
    return html(value=f"<h1>{esc(text(f'{page}.title'))}</h1><p class=soft>{esc(text(f'{page}.lead'))}</p>")


def subheading(key: str) -> gr.HTML:
    """Return the title of a page's part."""
    return html(value=f"<h2>{esc(text(key))}</h2>")


def html(elem_id: str | None = None, value: str = "") -> gr.HTML:
    """Return a component for these pages' own HTML, without a frame."""
    return gr.HTML(value, elem_id=elem_id, elem_classes="plain", padding=False)


def hidden(elem_id: str | None = None) -> gr.Textbox:
    """Return a field that the browser holds and nobody sees: the state of a page between two events."""
    return gr.Textbox(visible="hidden", elem_id=elem_id)


def table(
    page: str,
    names: Sequence[str],
    elem_id: str,
    label: str,
    *,
    visible: bool = True,
    linked: Collection[str] = (),
    searched: bool = True,
) -> gr.Dataframe:
    """Return a `data_table`; its headers are the texts `PAGE.column_NAME`, its label the text `label`.

    The cells of the columns `linked` hold links: see `with_links`.
    """
    types = ["html" if name in linked else "str" for name in names] if linked else "str"
    return data_table(columns(page, names), elem_id, text(label), datatype=types, visible=visible, searched=searched)


def with_links(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    linked: Collection[str],
    link: Callable[[str], str] = link_ids,
) -> dict[str, Any]:
    """Return rows for a table that shows the cells of the columns `linked` as links; a copied cell is plain text."""
    shown = [
        [link(cell) if name in linked else cell for name, cell in zip(names, map(str, row), strict=True)]
        for row in rows
    ]
    return {"data": rows, "metadata": {"display_value": shown}}


def kept_choice(name: str) -> str | None:
    """Return a choice that the reader's browser keeps (`keepChoice`); None without one, and outside of a request."""
    request = LocalContext.request.get(None)
    return request.cookies.get(name) if request else None


def choices(page: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return (label, value) of a list of choices; the labels are the texts `PAGE.choice_NAME`."""
    return [(text(f"{page}.choice_{name}"), name) for name in names]

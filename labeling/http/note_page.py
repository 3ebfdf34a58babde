# SPDX-License-Identifier: Apache-2.0
"""A page with one message and a link to the sign-in."""

from __future__ import annotations

from html import escape

from labeling.http.page_layout import render_page
from labeling.texts.translate import say


def note_page(language: str, key: str, sign_in: str, **values: object) -> str:
    """Return a page with one message and a link to `sign_in`."""
    link = f"<a href='{escape(sign_in)}'>{say(language, 'sign_in')}</a>"
    body = f"<p role=alert>{escape(say(language, key, **values))}</p>{link}"
    return render_page(language, say(language, "app"), body)

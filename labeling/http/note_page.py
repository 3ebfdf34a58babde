"""A page that states one thing and links to the sign-in."""

from __future__ import annotations

from html import escape

from labeling.http.page_layout import render_page
from labeling.texts.translate import say


def note_page(language: str, key: str, sign_in: str, **values: object) -> str:
    """A page that says one thing and links to the `sign_in`."""
    body = f"<p role=alert>{escape(say(language, key, **values))}</p><a href='{escape(sign_in)}'>{say(language, 'sign_in')}</a>"
    return render_page(language, say(language, "app"), body)

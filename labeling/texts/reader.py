# SPDX-License-Identifier: Apache-2.0
"""The reader's language in the current request; English outside of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from labeling.texts.translate import FALLBACK

_LANGUAGE: ContextVar[str] = ContextVar("language", default=FALLBACK)


def reader_language() -> str:
    """Return the language for the texts of the current request."""
    return _LANGUAGE.get()


@contextmanager
def writing_in(language: str) -> Iterator[None]:
    """Make `language` the reader's for the body of a `with` statement."""
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)

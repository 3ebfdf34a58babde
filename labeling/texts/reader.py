# SPDX-License-Identifier: Apache-2.0
"""The reader's language and time zone in the current request; English and UTC outside of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, tzinfo

from labeling.texts.translate import FALLBACK

_LANGUAGE: ContextVar[str] = ContextVar("language", default=FALLBACK)
_ZONE: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def reader_language() -> str:
    """Return the language for the texts of the current request."""
    return _LANGUAGE.get()


def reader_zone() -> tzinfo:
    """Return the time zone for the times of the current request."""
    return _ZONE.get()


@contextmanager
def writing_in(language: str, zone: tzinfo = UTC) -> Iterator[None]:
    """Make `language` and `zone` the reader's for the body of a `with` statement."""
    tokens = _LANGUAGE.set(language), _ZONE.set(zone)
    try:
        yield
    finally:
        _LANGUAGE.reset(tokens[0])
        _ZONE.reset(tokens[1])

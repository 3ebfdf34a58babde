# SPDX-License-Identifier: Apache-2.0
"""Texts of the researcher's pages: keys `train.PAGE.what` of the catalogue, in the reader's language."""

from __future__ import annotations

from labeling.texts.reader import reader_language
from labeling.texts.translate import say


def text(key: str, **values: object) -> str:
    """Return the text `train.KEY` in the reader's language, filled with `values`. Raise KeyError for an unknown key."""
    return say(reader_language(), f"train.{key}", **values)

"""Texts as they are: characters that hide, or that turn text around, are shown by their number instead of at work."""

from __future__ import annotations

import unicodedata

SHOWN = "\n\r\t"
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's bidirectional marks, embeddings, overrides and isolates (UAX 9, section 2)."""


def escape_control_characters(text: str) -> str:
    """The text with control characters and marks of direction written out, such as [U+202E]; letters and joiners stay."""
    return "".join(f"[U+{ord(each):04X}]" if _hides(each) else each for each in text)


def _hides(character: str) -> bool:
    return character in TURNING or (unicodedata.category(character) in ("Cc", "Cs") and character not in SHOWN)

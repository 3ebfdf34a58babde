# SPDX-License-Identifier: Apache-2.0
"""Control characters: hidden characters and marks of direction appear as their code point and have no effect."""

from __future__ import annotations

import unicodedata

ALLOWED = "\n\r\t"
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's bidirectional marks, embeddings, overrides and isolates (UAX 9, section 2)."""


def escape_control_characters(text: str) -> str:
    """Return the text with control characters and marks of direction written out, such as [U+202E]."""
    return "".join(f"[U+{ord(char):04X}]" if _is_hidden(char) else char for char in text)


def _is_hidden(character: str) -> bool:
    return character in BIDIRECTIONAL or (unicodedata.category(character) in ("Cc", "Cs") and character not in ALLOWED)

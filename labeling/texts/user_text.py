# SPDX-License-Identifier: Apache-2.0
"""Texts that people and models wrote, as HTML on every page: each one has its own direction, language and fonts.

`dir=auto` marks such an element. `user_text.css` gives every marked element, and every cell of a table, the direction
of its own letters, paragraph by paragraph. All pages and their themes take STYLE and FONTS from here.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

FONTS = (
    "system-ui",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Nirmala UI",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "sans-serif",
    "Apple Color Emoji",
    "Segoe UI Emoji",
    "Noto Color Emoji",
)
"""Families of all pages in their order; the browser takes each character from the first one that has it."""
STYLE = (Path(__file__).parent / "user_text.css").read_text(encoding="utf-8")
SCRIPTS = {
    "ja": r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]",
    "ko": r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]",
    "zh": r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]",
    "und-Arab": r"[\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc]",
    "he": r"[\u0590-\u05ff\ufb1d-\ufb4f]",
    "und-Deva": r"[\u0900-\u097f\ua8e0-\ua8ff]",
}
"""Tags (BCP 47) with the characters that tell them. Arabic and Devanagari are scripts of many languages."""
JAPANESE_KANA = 0.1
"""Share of kana among kana and Han characters above which a text is Japanese; Chinese texts have none."""
SAMPLE = 4_000
"""Characters at the start of a text that decide its language."""
_COUNTED = re.compile("|".join(f"(?P<s{number}>{letters})" for number, letters in enumerate(SCRIPTS.values())))
_OTHER_LETTER = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u052f]")


def language_tag(text: str) -> str:
    """Return the tag of the script that writes most of the text's letters; "" for Latin, Greek, Cyrillic and others."""
    start = text[:SAMPLE]
    if start.isascii():
        return ""
    counts = dict.fromkeys(SCRIPTS, 0)
    tags = tuple(SCRIPTS)
    for match in _COUNTED.finditer(start):
        counts[tags[int((match.lastgroup or "")[1:])]] += 1
    if counts["ja"] > JAPANESE_KANA * (counts["ja"] + counts["zh"]):
        counts["ja"] += counts.pop("zh")
    tag = max(counts, key=counts.__getitem__)
    # A word of Latin takes several letters, a word of Chinese one or two: half as many characters decide.
    return tag if counts[tag] and 2 * counts[tag] >= len(_OTHER_LETTER.findall(start)) else ""


def marks(text: str) -> str:
    """Return the attributes of the element that shows this text: its direction and, if known, its language."""
    tag = language_tag(text)
    return f"dir=auto lang={tag}" if tag else "dir=auto"


def block(text: str, kind: str = "text", more: str = "") -> str:
    """Return a text as an element of the class `kind`; `more`: further attributes."""
    return f"<div class={kind} {marks(text)}{f' {more}' if more else ''}>{escape(text)}</div>"


def captioned(caption: str, text: str) -> str:
    """Return a text below its caption; the caption does not decide the direction of the text."""
    return f"<div><small>{escape(caption)}</small>{block(text, 'told')}</div>"

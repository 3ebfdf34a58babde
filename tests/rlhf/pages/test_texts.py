# SPDX-License-Identifier: Apache-2.0
"""Texts of the researcher's pages: the reader's language, and every key that a page names is in the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from labeling.texts.pages import text
from labeling.texts.reader import writing_in
from labeling.texts.translate import TEXTS
from tests.support import ROOT

CALL = re.compile(r'\btext\(\s*(f?)"([^"]+)"')
FILES = sorted(Path(ROOT / "rlhf" / "pages").rglob("*.py"))


def test_every_key_of_a_page_is_in_the_catalogue():
    named = {(bool(match[1]), match[2]) for file in FILES for match in CALL.finditer(file.read_text(encoding="utf-8"))}
    whole = {key for formatted, key in named if not (formatted and "{" in key)}
    begun = {key.partition("{")[0] for formatted, key in named if formatted and "{" in key}
    keys = [key.removeprefix("train.") for key in TEXTS["en"] if key.startswith("train.")]
    assert len(whole) > 100
    assert whole - set(keys) == set()
    assert [beginning for beginning in begun if not any(key.startswith(beginning) for key in keys)] == []


def test_a_page_speaks_the_readers_language():
    with writing_in("ko"):
        assert text("loop.title") == "루프"
    assert text("loop.title") == "Loop"

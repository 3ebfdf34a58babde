"""Texts: both languages say everything, with the same blanks."""

from __future__ import annotations

import re

import pytest

from labeling.texts.translate import ENGLISH, FILES, TEXTS, language_of


def test_both_languages_have_the_same_texts_with_the_same_blanks():
    assert TEXTS["en"].keys() == TEXTS["ko"].keys()
    for key, english in TEXTS["en"].items():
        blanks = [sorted(re.findall(r"\{(\w+)", text)) for text in (english, TEXTS["ko"][key])]
        assert blanks[0] == blanks[1], key


def test_no_text_of_one_file_hides_one_of_another():
    assert sum(len(texts) for texts in (ENGLISH, *(file.ENGLISH for file in FILES))) == len(TEXTS["en"])


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en-US,ko;q=0.9", "en"),
        ("de,ko;q=0.5", "ko"),
        ("ko,en", "ko"),
        ("en;q=0.1,ko;q=0.2", "ko"),
        ("*", "en"),
        ("ko;q=x", "en"),
    ],
)
def test_the_browsers_first_wish_decides(header, language):
    assert language_of(header) == language

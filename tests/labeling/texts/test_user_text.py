# SPDX-License-Identifier: Apache-2.0
"""Texts of people and models as HTML: the language by its script, and no markup from the text."""

from __future__ import annotations

import pytest

from labeling.texts.user_text import FONTS, STYLE, block, captioned, language_tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("", ""),
        ("Name a cat. 42!", ""),
        ("Größe, naïve façade", ""),
        ("Кот", ""),
        ("عاصمة مصر هي القاهرة (Cairo)، وهي مدينة كبيرة.", "und-Arab"),
        ("שלום עולם", "he"),
        ("नमस्ते दुनिया", "und-Deva"),
        ("고양이 이름을 말해 줘", "ko"),
        ("今天天气很好", "zh"),
        ("今日は天気がいい", "ja"),
        ("日本語の漢字が多数使用される文章", "ja"),
        ("Write a note to 美娜 about the long weekend in the mountains.", ""),
        ("🎉🎉", ""),
    ],
)
def test_the_script_of_most_letters_tells_the_language(text, tag):
    assert language_tag(text) == tag


def test_a_text_is_escaped_and_marked():
    assert block("<b>שלום</b>") == "<div class=text dir=auto lang=he>&lt;b&gt;שלום&lt;/b&gt;</div>"
    assert block("Hi", "told", "tabindex=0") == "<div class=told dir=auto tabindex=0>Hi</div>"
    assert captioned("<A>", "Hi") == "<div><small>&lt;A&gt;</small><div class=told dir=auto>Hi</div></div>"


def test_the_fonts_end_in_emoji_and_the_style_closes_no_element():
    assert FONTS[0] == "system-ui"
    assert FONTS[-1] == "Noto Color Emoji"
    assert "<" not in STYLE

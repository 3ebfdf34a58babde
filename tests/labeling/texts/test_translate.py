# SPDX-License-Identifier: Apache-2.0
"""The catalogues: equal blanks in every language, sorted keys, a fallback to English, no unknown key."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from labeling.texts import translate
from labeling.texts.translate import FALLBACK, TEXTS, language_of, say

ROOT = Path(__file__).parents[3]
FOLDER = Path(translate.__file__).parent
PARTLY_TRANSLATED = "train."


def blanks(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)", text))


def literal_keys() -> set[str]:
    """Every key that the source passes to `say`, `turn.say` or `Refusal` as a literal."""
    keys = set()
    for path in [file for folder in ("labeling", "rlhf") for file in (ROOT / folder).rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                place = {"say": 0 if isinstance(call.func, ast.Attribute) else 1, "Refusal": 0}.get(name)
                if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
                    keys.add(call.args[place].value)
    return keys


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_language_has_the_same_blanks_as_english(language):
    assert TEXTS[language].keys() <= TEXTS[FALLBACK].keys()
    assert [
        key for key in TEXTS[FALLBACK].keys() - TEXTS[language].keys() if not key.startswith(PARTLY_TRANSLATED)
    ] == []
    for key, text in TEXTS[language].items():
        assert blanks(text) == blanks(TEXTS[FALLBACK][key]), key


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_a_catalogue_is_sorted_by_key_with_one_key_per_line(language):
    text = (FOLDER / f"{language}.json").read_text(encoding="utf-8")
    assert text == json.dumps(dict(sorted(json.loads(text).items())), indent=2, ensure_ascii=False) + "\n"


def test_a_text_without_a_translation_is_shown_in_english(monkeypatch):
    monkeypatch.setitem(TEXTS[FALLBACK], "train.hello", "Hello {name}")
    assert say("ko", "train.hello", name="Mina") == "Hello Mina"
    with pytest.raises(KeyError):
        say("ko", "train.nothing")


def test_every_key_in_the_source_is_in_the_english_catalogue():
    assert literal_keys() - TEXTS[FALLBACK].keys() == set()


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

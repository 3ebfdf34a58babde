# SPDX-License-Identifier: Apache-2.0
"""The catalogues: equal keys and blanks in every language, sorted keys, no unknown key, no English among Korean."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from data.texts import STORED
from labeling.texts import translate
from labeling.texts.translate import FALLBACK, TEXTS, language_of, say

ROOT = Path(__file__).parents[3]
FOLDER = Path(translate.__file__).parent
SAME_IN_KOREAN = {
    "app",
    "aspect_left",
    "aspect_right",
    "error.bad_row_remedy",
    "sentences",
    "train.arena.axis_kl",
    "train.clinic.auc_of",
    "train.export.choice_alpaca",
    "train.export.choice_csv",
    "train.export.choice_openai-dpo",
    "train.export.choice_parquet",
    "train.export.choice_reward-bench",
    "train.export.choice_sharegpt",
    "train.kind.best-of-n.title",
    "train.kind.dpo.title",
    "train.kind.ppo.title",
    "train.labels.column_agreement_interval",
    "train.loop.ppo_verb",
    "train.refused.fused_targets",
    "train.round.run_ended",
    "train.runs.at",
}
"""Texts of names, units and blanks alone."""


PLURAL = re.compile(r"\{\w+:[^}]*\|[^}]*\}")


def blanks(text: str) -> list[str]:
    """Return the blanks of a text for values; Korean has no plurals."""
    return sorted(re.findall(r"\{\w+[^}]*\}", PLURAL.sub("", text)))


def literal_keys() -> set[str]:
    """Every key that the source passes to `say`, `turn.say`, `Refusal` or `bad_input` as a literal."""
    keys = set()
    for path in [file for folder in ("labeling", "reward", "rlhf") for file in (ROOT / folder).rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                place = {"say": 0 if isinstance(call.func, ast.Attribute) else 1, "Refusal": 0}.get(name)
                if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
                    keys.add(call.args[place].value)
                elif name == "stored_line" and isinstance(call.args[0], ast.Constant):
                    keys.add(f"train.{call.args[0].value}")
                elif name == "bad_input" and isinstance(call.args[0], ast.Constant):
                    keys |= {f"train.{call.args[0].value}{part}" for part in ("", "_remedy")}
    return keys


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_language_has_the_keys_and_blanks_of_english(language):
    assert TEXTS[language].keys() == TEXTS[FALLBACK].keys()
    for key, text in TEXTS[language].items():
        assert blanks(text) == blanks(TEXTS[FALLBACK][key]), key


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_a_catalogue_is_sorted_by_key_with_one_key_per_line(language):
    text = (FOLDER / f"{language}.json").read_text(encoding="utf-8")
    assert text == json.dumps(dict(sorted(json.loads(text).items())), indent=2, ensure_ascii=False) + "\n"


def test_only_names_and_units_are_the_same_in_korean():
    assert {key for key, text in TEXTS["ko"].items() if text == TEXTS[FALLBACK][key]} == SAME_IN_KOREAN


@pytest.mark.parametrize(
    ("n", "line"),
    [(0, "0 archived runs are hidden."), (1, "1 archived run is hidden."), (1001, "1,001 archived runs are hidden.")],
)
def test_a_noun_follows_its_count(n, line):
    assert say("en", "train.runs.hidden", n=n) == line


def test_no_stored_line_depends_on_a_count():
    stored = {key for key in TEXTS[FALLBACK] if f"{key}_remedy" in TEXTS[FALLBACK] or key.startswith(STORED)}
    assert [key for key in stored if PLURAL.search(TEXTS[FALLBACK][key])] == []


def test_an_unknown_key_is_an_error():
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

# SPDX-License-Identifier: Apache-2.0
"""Errors with a key: English for the command line and stored lines, the reader's language on pages, stored or not."""

from __future__ import annotations

import ast
import json
import re

import pytest

from data.errors import BadInput, Occupied, Refused
from data.formats.reading import read_rows
from data.settings import Settings, option, parse_settings
from data.store import Store
from data.texts import REMEDY, TEXTS, translate_line
from labeling.texts.pages import bad_input, stored_line
from labeling.texts.reader import writing_in
from labeling.texts.translate import Refusal, error_text
from reward.report.view import message_html
from tests.support import ROOT

DATA = ("error.", "row.", "json.", "omitted.", "source.", "remark.", "next.", "count.")
"""Beginnings of the keys of texts that the data layer uses."""
MAKERS = {"NotStrict": "json.", "remark": "remark."}
"""Functions of texts -> the beginning of their keys."""


class Some(Settings):
    """Settings of a test."""

    steps: int = option(4, min=1, max=9)
    share: float = option(0.5, min=0.0)


def problem_of(given: list[str]) -> BadInput:
    with pytest.raises(BadInput) as raised:
        parse_settings(Some, given)
    return raised.value


def test_an_error_is_english_until_a_page_asks_for_another_language():
    problem = problem_of(["steps=12"])
    assert str(problem) == "steps=12 is out of range (field 'steps'). Give at least 1 and at most 9."
    shown = problem.in_language("ko")
    assert (shown.error, shown.remedy) == ("steps=12은(는) 범위를 벗어났습니다", "1 이상 9 이하를 쓰세요.")
    assert (shown.field, str(problem.in_language("en"))) == ("steps", str(problem))


def test_the_kind_of_an_error_stays_and_one_without_a_key_stays_as_it_is():
    assert isinstance(Occupied.of("error.import_running"), Occupied)
    plain = BadInput("as it is", "Do so.")
    assert plain.in_language("ko") is plain


def test_pages_show_errors_of_the_data_layer_in_the_reader_s_language(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(BadInput) as raised:
        store.projects.by_name("Nowhere")
    store.close()
    with writing_in("ko"):
        assert "프로젝트 &#x27;Nowhere&#x27;이(가) 없습니다. 다음 중에서 고르세요: Standard." in message_html(
            raised.value
        )
    assert "there is no project" in message_html(raised.value)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"%PDF-1.7\n", "PDF 문서입니다. JSON Lines, CSV 또는 Parquet으로 저장하세요."),
        (b"<html><body>", "웹 페이지처럼 보입니다: '<html><body>'(으)로 시작합니다. 파일을 보여 주는 페이지가 아니라"),
        (b'[{"prompt": "a"},', "JSON이 중간에 끝납니다. 파일 전체를 다시 받으세요."),
    ],
)
def test_a_file_that_cannot_be_imported_is_explained_in_the_reader_s_language(tmp_path, content, shown):
    (tmp_path / "rows.json").write_bytes(content)
    with pytest.raises(BadInput) as raised:
        list(read_rows(tmp_path / "rows.json"))
    assert f"{raised.value.in_language('ko').error}. {raised.value.in_language('ko').remedy}".startswith(shown)
    assert str(raised.value).isascii()


def test_one_mechanism_serves_refusals_of_pages_and_what_a_run_needs():
    refusal = Refusal("train.policies.no_parent", policy="p1")
    assert refusal.in_language("ko").error == refusal.text_in("ko") == error_text(refusal, "ko")
    need = bad_input("need.reward_model", field="reward", kind=Refused)
    assert need.in_language("ko").error == TEXTS["ko"]["train.need.reward_model"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["steps=0"], "steps=0은(는) 범위를 벗어났습니다 (설정 'steps'). 1 이상 9 이하를 쓰세요."),
        (["share=-1"], "share=-1은(는) 범위를 벗어났습니다 (설정 'share'). 0.0 이상을 쓰세요."),
        (["steps=x"], "steps='x'은(는) 정수가 아닙니다 (설정 'steps'). 정수를 쓰세요."),
        (["stepps=3"], "설정 'stepps'은(는) 없습니다 (설정 'stepps'). steps을(를) 뜻하셨나요? 전체: steps, share."),
    ],
)
def test_a_stored_english_line_is_found_in_the_catalogue(given, shown):
    assert translate_line(str(problem_of(given)), "ko") == shown


def test_a_stored_line_keeps_its_file_and_any_other_line_stays():
    line = str(BadInput.of("error.file_empty", file="/x/rows.csv"))
    assert translate_line(line, "ko") == "/x/rows.csv: 파일이 비어 있습니다. 행이 하나 이상 있는 파일을 쓰세요."
    assert translate_line("RuntimeError: CUDA error", "ko") == "RuntimeError: CUDA error"
    assert translate_line(line, "en") == line


def test_the_stored_line_of_every_error_is_shown_with_its_own_texts():
    def line(language: str, key: str) -> str:
        texts = [TEXTS[language][name] for name in (key, key + REMEDY) if name in TEXTS[language]]
        return ". ".join(re.sub(r"\{(\w+)[^}]*\}", r"<\1>", text) for text in texts)

    stored = [key for key in TEXTS["en"] if key.startswith("error.") or key + REMEDY in TEXTS["en"]]
    errors = [key for key in stored if not key.endswith(REMEDY)]
    assert [key for key in errors if translate_line(line("en", key), "ko") != line("ko", key)] == []


def test_a_run_s_notes_are_stored_in_english_and_shown_in_the_reader_s_language():
    note = stored_line("note.cut_thinking", cut=1200, total=2000, thinking=3, limit=512, more=2048)
    assert note.startswith("1,200 of 2,000 answers were cut at max_new_tokens=512, 3 of them before")
    shown = translate_line(note, "ko")
    assert shown.startswith("답변 2,000개 중 1,200개가 max_new_tokens=512에서 잘렸고, 그중 3개는")
    assert shown.endswith("모델에 여유를 더 주세요: --set max_new_tokens=2048")
    unknown = stored_line("note.unknown_tokens", model="tiny", count=3, total=40, token="<unk>")
    assert translate_line(unknown, "ko") == "tiny: 프롬프트의 토큰 40개 중 3개가 <unk>입니다"


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_the_catalogue_of_errors_is_sorted_by_key(language):
    text = (ROOT / "data" / "texts" / f"{language}.json").read_text(encoding="utf-8")
    assert text == json.dumps(dict(sorted(json.loads(text).items())), indent=2, ensure_ascii=False) + "\n"


def test_every_text_of_an_error_is_used_and_every_key_has_a_text():
    """Keys with a part in braces stand for all keys with that beginning."""
    keys = {key for key in TEXTS["en"] if key.startswith(DATA) and not key.endswith(REMEDY)}
    used: set[str] = set()
    for path in (ROOT / "data").rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        for call in (call for call in calls if call.args):
            name, first = getattr(call.func, "attr", getattr(call.func, "id", "")), call.args[0]
            if name in ("of", "join_texts"):
                used |= matching(first, keys)
            elif name in MAKERS and isinstance(first, ast.Constant):
                used |= {f"{MAKERS[name]}{first.value}"}
    assert keys == used


def matching(argument: ast.expr, keys: set[str]) -> set[str]:
    if isinstance(argument, ast.IfExp):
        return matching(argument.body, keys) | matching(argument.orelse, keys)
    if isinstance(argument, ast.Constant) and str(argument.value).startswith(DATA):
        return {str(argument.value)}
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        start = str(argument.values[0].value)
        makers = start in MAKERS.values()
        return {key for key in keys if key.startswith(start)} if start.startswith(DATA) and not makers else set()
    return set()


def test_an_error_has_the_other_names_of_its_options_in_every_language():
    problem = BadInput.of("error.not_encoding", field="encoding", encoding="x", error="byte 1")
    renamed = problem.rename_options({"encoding": lambda value: "the field"})
    for language in ("en", "ko"):
        assert "--encoding" not in renamed.in_language(language).remedy
        assert renamed.in_language(language).remedy

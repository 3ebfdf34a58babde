# SPDX-License-Identifier: Apache-2.0
"""Every reason of a refused row comes from the catalogue, so that pages show it in the reader's language."""

from __future__ import annotations

import ast
import copy
import json
import pickle

import pytest

from data.json_text import PARSER, describe_json_error
from data.texts import TEXTS, Translatable, join_texts, translate_line
from data.transfer.checked_rows import ImportFile, Reading, check_rows
from tests.support import ROOT

BROKEN = {
    "lines": (b'{"prompt": "a"}\n{"prompt": "a" 1}\n', "올바른 JSON이 아닙니다(','가 있어야 함, 16번째 문자)"),
    "twice": (b'{"prompt": "a", "prompt": "b"}\n', "쓸 수 없는 JSON입니다(키 'prompt'이(가) 두 번 있습니다)"),
    "nan": (b'{"prompt": NaN}\n', "쓸 수 없는 JSON입니다(NaN은(는) JSON의 숫자가 아닙니다)"),
    "deep": (b'{"prompt": "a"}\n{"a":' + b"[" * 100_000 + b"\n", "너무 깊이 중첩되어 있습니다"),
    "list": (b'{"prompt": "a"}\n[1, 2]\n', "행은 JSON 객체 {...}여야 하는데 [1, 2]입니다"),
    "byte": (b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "UTF-8 텍스트가 아닙니다(13번째 바이트 0xff)"),
    "cells": (b"prompt,model\na,b\na,b,c\n", "행의 셀은 3개인데 머리글 줄의 셀은 2개입니다"),
    "quote": (b'prompt,model\na,b\n"a,b\n', "여기서 시작한 따옴표 셀이 끝나지 않습니다"),
    "cut": (b'[{"prompt": "a"},', "JSON이 중간에 끝납니다. 그 뒤는 읽을 수 없습니다"),
    "after": (b'[{"prompt": "a"}] 1', "올바른 JSON이 아닙니다: 배열이 끝난 뒤에 다른 것이 있습니다: '1'. 그 뒤는"),
}
"""Content of a file, and the beginning of the Korean reason of its bad row."""


def test_no_row_is_refused_without_a_key():
    calls = [
        (path.name, call.lineno)
        for path in (ROOT / "data").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "BadRow"
    ]
    assert calls == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_cannot_be_read_is_explained_in_the_reader_s_language(tmp_path, name):
    content, shown = BROKEN[name]
    (tmp_path / "rows").write_bytes(content)
    reasons = [row.reason for row in check_rows(ImportFile.at(tmp_path / "rows"), Reading("prompts")) if row.reason]
    assert len(reasons) == 1
    assert translate_line(reasons[0], "ko").startswith(shown)
    assert translate_line(reasons[0], "en") == reasons[0]


@pytest.mark.parametrize(
    "text", ['{"a": "\\x"}', '{"a": "\\u12"}', '{"a" 1}', '{"a": 1 2}', '{"a": ', "{1: 2}", '{"a": "x', "{} x", '"\n"']
)
def test_a_message_of_the_parser_is_shown_in_the_reader_s_language(text):
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads(text)
    reason = describe_json_error(raised.value)
    assert reason == raised.value.msg
    assert translate_line(reason, "ko") == TEXTS["ko"][PARSER[raised.value.msg]]


def test_a_translatable_text_is_its_english_text_for_all_other_code():
    reason = Translatable.of("row.unread_column", field="system", reason=Translatable.of("row.empty", field="system"))
    assert json.dumps({reason: reason}) == json.dumps({str(reason): str(reason)})
    assert reason == "'system' is empty (--map system= leaves it out)"
    shown = "'system'이(가) 비어 있습니다(이 열을 빼려면 --map system=)"
    for same in (reason, copy.deepcopy(reason), pickle.loads(pickle.dumps(reason))):
        assert translate_line(same, "ko") == shown


def test_texts_are_joined_in_the_reader_s_language():
    joined = join_texts("or", ["'a'", "'b'", Translatable.of("row.labels")])
    assert joined == "'a' or 'b' or labels"
    assert translate_line(joined, "ko") == "'a' 또는 'b' 또는 라벨"

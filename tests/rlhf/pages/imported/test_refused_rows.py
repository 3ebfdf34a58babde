# SPDX-License-Identifier: Apache-2.0
"""The reasons of refused rows stand in the reader's language on the pages: in a preview, an error and an export."""

from __future__ import annotations

import json
from html import unescape
from zipfile import ZipFile

import gradio as gr
import pytest

from data.transfer.importing import import_file
from labeling.accounts.current import acting_as
from labeling.texts.reader import writing_in
from rlhf.pages.data import DataPage
from rlhf.pages.export import make_file
from rlhf.pages.upload import FOLDER

GOOD = {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."}
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go"}]
UNVOTED = {"instruction": "Hi", "completions": [{"response": text, "model": "m"} for text in "ab"]}
LINES = {
    "empty": (GOOD | {"chosen": ""}, "2번째 줄: 'chosen'이(가) 비어 있습니다"),
    "missing": (
        {"prompt": "Hi", "chosen": "a"},
        "2번째 줄: 행에 'rejected'이(가) 없습니다. 있는 열: 'prompt', 'chosen'",
    ),
    "unread": (GOOD | {"label": 1}, "(이 열을 빼려면 “파일의 열: label=”)"),
    "unvoted": (
        UNVOTED,
        "라벨링할 쌍으로 가져오세요(“행의 종류: 라벨링할 쌍”)",
    ),
}
"""A bad row, and what a Korean page says about it."""


@pytest.mark.parametrize("name", LINES)
def test_a_refused_row_is_explained_in_korean_in_the_preview_and_after_the_import(store, name):
    row, shown = LINES[name]
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    (store.home / FOLDER).mkdir(exist_ok=True)
    (store.home / FOLDER / "rows.jsonl").write_text("\n".join(map(json.dumps, [GOOD, row])), encoding="utf-8")
    with acting_as(store.accounts.add("rae", "researcher")), writing_in("ko"):
        preview = unescape(page.show_preview("rows.jsonl", "preferences")[page.preview])
        error = unescape(page.import_file("rows.jsonl", "preferences", None, False)[page.status])
    assert shown in preview
    assert shown.removeprefix("2번째 줄: ") in error
    assert "(행 2개 중 1개가 정상입니다). 고치거나 정상 행만 가져오세요: “오류 행 빼기”." in error


def test_an_archive_without_rows_says_in_korean_what_it_holds(store):
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    (store.home / FOLDER).mkdir(exist_ok=True)
    with ZipFile(store.home / FOLDER / "rows.zip", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("README.md", "# Rows")
    with acting_as(store.accounts.add("rae", "researcher")), writing_in("ko"):
        error = unescape(page.import_file("rows.zip", "preferences", None, False)[page.status])
    assert "행이 없습니다 [제외(데이터를 설명하는 파일): config.json, 제외(행이 없는 텍스트): README.md]" in error


def test_rows_that_an_export_leaves_out_have_their_reason_in_korean(store, tmp_path):
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD | {'prompt': CHAT})}\n")
    import_file(store, tmp_path / "rows.jsonl", "preferences")
    with writing_in("ko"):
        line = unescape(make_file(store, "preferences", "alpaca", "import", by="rae"))
    assert ", 1행 제외(Alpaca 형식에는 대화를 담을 수 없습니다)" in line

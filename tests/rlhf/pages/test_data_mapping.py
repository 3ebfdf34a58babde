# SPDX-License-Identifier: Apache-2.0
"""The columns of a file on the Data page: mapped in a table, seen on three rows, saved under a name."""

from __future__ import annotations

import gradio as gr
import pytest

from data.errors import BadInput
from data.transfer.checked_rows import ImportFile
from data.transfer.importing import import_file
from data.transfer.previewing import preview
from labeling.accounts.current import acting_as
from labeling.texts.reader import writing_in
from rlhf.pages.data import DataPage
from rlhf.pages.data_view import draw_outcome, draw_preview
from tests.support.data.import_rows import write

EVIL = "<img src=x onerror=alert(1)>"


def put(store, name, rows):
    """Write rows into the import folder of the store's home."""
    (store.home / "import").mkdir(exist_ok=True)
    return write(store.home / "import" / name, rows)


def test_columns_are_mapped_in_a_table_seen_on_three_rows_saved_and_offered_again(store):
    rae = store.accounts.add("rae", "researcher")
    rows = [{"question": f"Say {n}.", "good": str(n), "bad": EVIL, "tools": [1]} for n in range(5)]
    put(store, "asked.jsonl", rows)
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    part = page.columns
    with acting_as(rae):
        offered = page.show_preview("asked.jsonl", "preferences")
        assert offered[part.table][0] == ["question", "Say 0.", "question"]
        cells = [
            [name, example, {"question": "prompt", "good": "chosen", "bad": "rejected"}.get(name, "")]
            for name, example, _ in offered[part.table]
        ]
        seen = part.change("asked.jsonl", "preferences", cells)
        assert seen[part.mapping] == "prompt=question,chosen=good,rejected=bad,tools="
        assert (seen[part.sample].count("<details>"), "<img" in seen[part.sample]) == (3, False)
        part.keep("asked", seen[part.mapping])
        again = page.show_preview("asked.jsonl", "preferences", seen[part.mapping])
        assert again[part.table] == [row[:2] + [row[2]] for row in cells]
        assert ("asked", seen[part.mapping]) in again[part.saved].choices
        told = page.import_file("asked.jsonl", "preferences", None, False, seen[part.mapping])[page.status]
    assert "5 rows added" in told
    assert "5 comparisons added: train a reward model" in told
    assert store.column_mappings.resolve("asked") == seen[part.mapping]
    with pytest.raises(BadInput, match="there is no column mapping 'other'"):
        store.column_mappings.resolve("other")


def test_a_table_of_columns_that_is_no_mapping_is_answered_with_the_reason(store):
    rae = store.accounts.add("rae", "researcher")
    put(store, "asked.jsonl", [{"a": "x", "b": "y"}])
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    with acting_as(rae):
        told = page.columns.change("asked.jsonl", "prompts", [["a", "x", "prompt"], ["b", "y", "prompt"]])
        assert "the column &#x27;prompt&#x27; is mapped twice" in told[page.columns.sample]
        told = page.columns.keep(" ", "prompt=a")
        assert "is no name of a mapping" in told[page.columns.sample]


def test_a_korean_page_says_how_a_file_was_read_and_what_comes_next(store, tmp_path):
    same = [{"response": text, "overall_score": score} for text, score in (("a", 1), ("a", 2), ("b", 3))]
    file = write(tmp_path / "rows.jsonl", [{"instruction": "Hi", "completions": same, "lang": "en"}])
    with writing_in("ko"):
        drawn = draw_preview(preview([ImportFile.at(file)], "preferences"))
        done = draw_outcome(import_file(store, file, "preferences"))
        again = draw_outcome(import_file(store, file, "preferences"))
    assert "읽은 열: instruction (프롬프트), completions (답변들, 평점, 모델)" in drawn
    assert "읽지 않은 열: lang(1행, 예: &#x27;en&#x27;)" in drawn
    assert "1행: 텍스트가 같은 두 답변은 비교하지 않습니다" in drawn
    assert done.endswith("비교 2개 추가됨. 이제 보상 모델을 학습하세요: preference-loop train reward.")
    assert again.endswith("새로운 행이 없습니다. 모두 전에 가져온 행입니다.")


def test_a_preview_shows_what_each_column_is_read_as_and_bad_rows_by_reason(store, tmp_path):
    rows = [{"instruction": EVIL, "output": "a", "lang": EVIL}] * 2 + [{"instruction": "a"}, {"instruction": "b"}]
    drawn = draw_preview(preview([ImportFile.at(write(tmp_path / "rows.jsonl", rows))]))
    assert "read: instruction (prompt), output (answer)" in drawn
    assert "not read: lang (2 rows" in drawn
    assert "2 bad: the row has no" in drawn
    assert "<img" not in drawn

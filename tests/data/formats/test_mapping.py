# SPDX-License-Identifier: Apache-2.0
"""Columns of a file under the names that readers know: paths, list indices, constants, and columns left out."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.formats import read_row
from data.formats.columns import Columns
from data.formats.mapping import apply_mapping, format_mapping, parse_mapping
from data.formats.rows.fields import BadRow
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.importing import import_files
from data.transfer.previewing import preview
from data.views.preferences import preference_rows
from tests.support.data.import_rows import write

ROW = {
    "question": "How many legs has a spider?",
    "answers": ["Eight.", "Six."],
    "meta": {"source": {"name": "web"}, "lang": "en"},
    "tools": ["calculator"],
}
TEXT = "prompt=question,chosen=answers.0,rejected=answers[1],chosen_model=meta.source.name,rejected_model='gpt, ''x''',tools="


def test_a_mapping_names_paths_indices_constants_and_columns_to_leave_out():
    row = apply_mapping(ROW, parse_mapping(TEXT))
    shape = read_row(row, "preferences")
    assert (shape.prompt.text, shape.chosen, shape.rejected) == ("How many legs has a spider?", "Eight.", "Six.")
    assert (shape.chosen_model, shape.rejected_model) == ("web", "gpt, 'x'")
    columns = Columns()
    columns.add(row)
    read = {column["column"]: column["read_as"] for column in columns.report()}
    assert read["question"] == "prompt"
    assert read["answers.0"] == "better answer"


def test_a_mapping_is_written_as_it_is_read():
    mapping = parse_mapping(TEXT)
    assert parse_mapping(format_mapping(mapping)) == mapping
    assert parse_mapping("") == {}


def test_columns_that_are_not_mapped_keep_their_names_and_their_meaning():
    row = {"question": "a", "chosen": "b", "rejected": "c", "system": "Be brief."}
    shape = read_row(apply_mapping(row, parse_mapping("prompt=question")), "preferences")
    assert shape.prompt.messages[0]["content"] == "Be brief."
    with pytest.raises(BadRow, match="'images' changes what the row means"):
        read_row(apply_mapping(row | {"images": [1]}, parse_mapping("prompt=question")), "preferences")


def test_a_path_goes_into_json_text_and_a_name_with_dots_is_a_column():
    mapping = parse_mapping("prompt=data.input,response=data.out.0")
    assert read_row(apply_mapping({"data": '{"input": "a", "out": ["b"]}'}, mapping), "completions").text == "b"
    flat = {"data.input": "a", "data.out.0": "b"}
    assert read_row(apply_mapping(flat, mapping), "completions").prompt.text == "a"


def test_a_path_that_a_row_lacks_is_a_bad_row():
    for text in ("prompt=meta.title", "prompt=answers.7", "prompt=answers.x", "prompt=question.x"):
        with pytest.raises(BadRow, match=f"the row has no '{text[7:]}'"):
            apply_mapping(ROW, parse_mapping(text))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("question", "'question' is no column mapping"),
        ("prompt=a,prompt=b", "the column 'prompt' is mapped twice"),
        ("prompt='a", '"prompt=\'a" is no column mapping'),
        ("=a", "'=a' is no column mapping"),
    ],
)
def test_text_that_is_no_mapping_is_refused_with_an_example(text, error):
    with pytest.raises(BadInput) as caught:
        parse_mapping(text)
    assert caught.value.error == error
    assert "--map prompt=question" in caught.value.remedy


def test_a_file_is_looked_at_and_imported_under_a_mapping(store, tmp_path):
    file = ImportFile.at(write(tmp_path / "given.jsonl", [ROW]))
    looked = preview([file], mapping=TEXT)
    assert (looked.what, looked.good, looked.shown[0]["prompt"]["text"]) == ("preferences", 1, ROW["question"])
    reading = Reading("preferences", mapping=parse_mapping(TEXT))
    assert import_files(store, [file], reading)["added"] == 1
    assert import_files(store, [file], reading)["duplicate"] == 1
    [row] = preference_rows(store)
    assert (row.prompt, row.chosen) == (ROW["question"], "Eight.")
    assert store.audit.all()[0]["detail"]["map"] == format_mapping(reading.mapping)

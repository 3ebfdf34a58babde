# SPDX-License-Identifier: Apache-2.0
"""Lists and objects mean the same as objects, as JSON, as Python prints them, as bytes and in every kind of file."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.formats import read_row
from data.formats.nested import LONGEST_LITERAL, parse_nested
from data.formats.reading import read_rows
from data.formats.rows.fields import BadRow

TURNS = [{"role": "user", "content": 'It\'s "me"\n한'}, {"role": "assistant", "content": "Hello"}]
ROWS = {
    "preferences": {"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": [{"role": "assistant", "content": "Go"}]},
    "instructions": {"messages": TURNS},
    "prompts": {"prompt": TURNS[:1], "facts": {"n": 1}},
    "completions": {"prompt": TURNS[:1], "response": TURNS[1:], "model": "m"},
}


def as_json(value):
    return json.dumps(value) if isinstance(value, list | dict) else value


def as_python(value):
    return repr(value) if isinstance(value, list | dict) else value


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("written", [as_json, as_python])
def test_a_nested_value_as_text_is_the_value(what, written):
    assert read_row({key: written(value) for key, value in ROWS[what].items()}, what) == read_row(ROWS[what], what)


@pytest.mark.parametrize("what", ROWS)
def test_every_kind_of_file_holds_the_same_row(what, tmp_path):
    row, files = ROWS[what], {}
    for name, written in (("json.csv", as_json), ("python.csv", as_python)):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerows([row.keys(), map(written, row.values())])
        files[name] = tmp_path / name
    packed = {key: as_json(value).encode() for key, value in row.items()}
    for name, table in (("structs.parquet", row), ("bytes.parquet", packed)):
        parquet.write_table(pa.Table.from_pylist([table]), tmp_path / name)
        files[name] = tmp_path / name
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    files["rows.jsonl"] = tmp_path / "rows.jsonl"
    for file in files.values():
        [read] = read_rows(file)
        assert read_row(read.value, what) == read_row(row, what), file.name


@pytest.mark.parametrize("text", ["[1, 2, 3]", '{"a": 1}', "[see above]", "{x}", "[INST", '["role"]'])
def test_a_prompt_that_only_looks_like_a_list_stays_text(text):
    assert read_row({"prompt": text}, "prompts").text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[{'role': 'user', 'content': 'Hi'}\n {'role': 'user', 'content': 'Hi'}]", "must be a list of messages"),
        ('[{"role": "user", "content": "a", "content": "b"}]', "the key 'content' is there twice"),
        ("[{'role': 'user', 'content': 'a', 'content': 'b'}]", "a key is there twice"),
        ("[{'role': 'user', 'content': open('x')}]", "must be a list of messages"),
    ],
)
def test_messages_that_cannot_be_parsed_are_refused_and_never_kept_as_text(text, reason):
    with pytest.raises(BadRow, match=reason):
        read_row({"prompt": text}, "prompts")


def test_a_literal_is_bounded():
    assert parse_nested("['" + "a" * LONGEST_LITERAL + "']") is None
    assert parse_nested("[" * 5000 + "]" * 5000) is None
    assert parse_nested("(1, 2)") is None


def test_bytes_that_are_no_text_are_refused_where_they_are_read(tmp_path):
    parquet.write_table(pa.Table.from_pylist([{"prompt": b"Hi", "image": None, "sha": b"\xff"}]), tmp_path / "a")
    parquet.write_table(pa.Table.from_pylist([{"prompt": b"\xff"}]), tmp_path / "b")
    assert read_row(next(read_rows(tmp_path / "a")).value, "prompts").text == "Hi"
    with pytest.raises(BadRow, match="'prompt' holds bytes that are not UTF-8"):
        read_row(next(read_rows(tmp_path / "b")).value, "prompts")


def test_text_parts_of_a_message_are_joined_and_other_parts_refused():
    part = {"type": "text", "text": "Hi", "image": None}
    assert read_row({"prompt": [{"role": "User", "content": [part, part]}]}, "prompts").text == "Hi\nHi"
    with pytest.raises(BadRow, match="must be a text part, not image_url"):
        read_row({"prompt": [{"role": "user", "content": [{"type": "image_url"}]}]}, "prompts")

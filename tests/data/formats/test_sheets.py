# SPDX-License-Identifier: Apache-2.0
"""CSV and Parquet files come out as rows that know where they stand, their texts unchanged, and bad ones say what is wrong."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data.errors import BadInput
from data.formats.files.source import Source
from data.formats.reading import read_rows
from data.transfer.importing import import_file

KOREAN = '책을 준 미나에게 "고마워"라고 써 줘.\n한 줄 더, 그리고 \u1112\u1161\u11ab'  # the last word is not normalised
ANSWER = "미나야, 고마워! 💙\r\n잘 읽을게."


def written(names: list[str], *cells: list, delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *cells])
    return out.getvalue().encode()


@pytest.fixture
def read(tmp_path):
    def reader(content: bytes, name: str = "given.dat") -> list[tuple]:
        (tmp_path / name).write_bytes(content)
        return [tuple(row) for row in read_rows(tmp_path / name)]

    return reader


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_cells_with_quotes_line_breaks_and_korean_are_read_unchanged(read, delimiter, mark):
    result = read(
        mark
        + written(["instruction", "input", "output"], [KOREAN, "", ANSWER], ["Add.", "1, 2", "3"], delimiter=delimiter)
    )
    assert result == [
        (2, {"instruction": KOREAN, "input": None, "output": ANSWER}, ""),
        (5, {"instruction": "Add.", "input": "1, 2", "output": "3"}, ""),  # the first row takes lines 2 to 4
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(prompt=TEXT, completion=TEXT)
def test_any_two_texts_come_out_of_csv_as_they_went_in(read, prompt, completion):
    assert read(written(["prompt", "completion"], [prompt, completion])) == [
        (2, {"prompt": prompt, "completion": completion}, "")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'"He said "no"",b\n', "a quote inside a quoted cell must be doubled"),
        (b"a,b,c\n", "the row has 3 cells, the head line 2"),
        (b"a\n", "the row has 1 cells, the head line 2"),
        (b"\xc0\xcc\xb9\xcc,b\n", "not UTF-8 text (byte 0xc0); save the file in UTF-8, or name its encoding"),
    ],
)
def test_a_bad_record_is_a_problem_of_its_own(read, line, reason):
    result = read(b"prompt,completion\nx,y\n" + line + b"z,w\n")
    assert [(row[0], row[2]) for row in result] == [(2, ""), (3, reason), (4, "")]


def test_a_quoted_cell_that_never_ends_is_named_where_it_begins(read):
    result = read(b'prompt,completion\nx,y\nz,"cut\noff')
    assert [(row[0], row[2]) for row in result] == [(2, ""), (3, "a quoted cell begins here and does not end")]


def test_lists_objects_and_numbers_stand_in_cells_as_json(read):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    ((_, row, _),) = read(written(["messages", "margin"], [json.dumps(turns), "3"]))
    assert row == {"messages": turns, "margin": 3}


def test_a_table_without_a_known_name_is_still_a_table_and_its_names_are_told(store, tmp_path):
    file = tmp_path / "questions.csv"
    file.write_text("Q,A,label\n12시 땡!,하루가 또 가네요.,0\n", encoding="utf-8")
    with pytest.raises(BadInput, match="it has 'Q', 'A', 'label'"):
        import_file(store, file, "instructions")


def test_plain_prompts_with_commas_stay_plain(store, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("Write a note, please\nThank Mina, too\n", encoding="utf-8")
    assert import_file(store, file, "prompts")["added"] == 2


def test_parquet_rows_are_numbered_and_keep_their_texts(store, tmp_path):
    file = tmp_path / "given.parquet"
    items = [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(99)]
    items.insert(0, {"instruction": KOREAN, "input": None, "output": ANSWER})
    parquet.write_table(pa.Table.from_pylist(items), file)
    assert [row.line for row in read_rows(file)] == list(range(1, 101))
    assert import_file(store, file, "instructions")["added"] == 100
    first, *_ = store.instructions.all()
    assert (first.instruction, first.output) == (KOREAN, ANSWER)


def test_bytes_of_parquet_are_their_text_and_other_bytes_stay_no_text(tmp_path):
    file = tmp_path / "given.parquet"
    parquet.write_table(pa.Table.from_pylist([{"prompt": b"a", "facts": {"n": float("nan"), "d": b"\xff"}}]), file)
    assert [row.value for row in read_rows(file)] == [{"prompt": "a", "facts": {"n": None, "d": "\udcff"}}]


def test_a_cut_parquet_file_is_refused(tmp_path):
    file = tmp_path / "given.parquet"
    parquet.write_table(pa.Table.from_pylist([{"prompt": "a"}]), file)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(BadInput, match="damaged or cut off"):
        list(read_rows(file))


WHOLE = [(2, {"prompt": "a", "completion": "b"}, ""), (3, {"prompt": "c", "completion": "d"}, "")]


@pytest.mark.parametrize(
    "content",
    [
        b"prompt|completion\na|b\nc|d\n",
        b"prompt,completion,\na,b,\nc,d,\n",
        b"prompt,completion,,\na,b,,\nc,d,,\n",
        b"prompt,completion\na,b,\nc,d,\n",
        b",prompt,completion\n0,a,b\n7,c,d\n",
        b"Unnamed: 0,prompt,completion\n0,a,b\n1,c,d\n",
        b"prompt,completion\ra,b\rc,d\r",
        b"\xef\xbb\xbfprompt,completion\ra,b\rc,d",
    ],
)
def test_variants_of_tables_come_out_as_the_same_rows(read, content):
    assert read(content) == WHOLE


@pytest.mark.parametrize("first", [b"sep=;\n", b"sep=;\r\n", b'"sep=;"\r\n', b"\xef\xbb\xbfSEP=;\r\n"])
def test_a_line_that_names_the_delimiter_is_no_row(read, first):
    assert read(first + b"prompt;completion\na, b;c\n") == [(3, {"prompt": "a, b", "completion": "c"}, "")]


def test_the_index_of_pandas_is_left_out_and_told(tmp_path):
    path = tmp_path / "t"
    for content in (b",prompt\n0,a\n1,b\n", b"Unnamed: 0,prompt\n0,a\n1,b\n"):
        path.write_bytes(content)
        source = Source(path)
        assert [row.value for row in read_rows(source)] == [{"prompt": "a"}, {"prompt": "b"}]
        assert list(source.notes) == ["the pandas index column was left out"]
    parquet.write_table(pa.table({"prompt": ["a"], "__index_level_0__": [4]}), path)
    source = Source(path)
    assert [row.value for row in read_rows(source)] == [{"prompt": "a"}]
    assert list(source.notes) == ["the pandas index column '__index_level_0__' was left out"]


def test_a_value_in_a_column_without_a_name_is_a_bad_row(read):
    assert read(b",prompt,completion\nfirst,a,b\n")[0][2] == "the cell 'first' stands in a column without a name"
    assert read(b"prompt,completion,\na,b,more\n")[0][2] == "the row has 3 cells, the head line 2"


@pytest.mark.parametrize("content", [b"prompt,prompt\na,b\n", b"id,prompt,id\n1,a,2\n", b"Q,A,A\n1,a,2\n"])
def test_two_columns_of_one_name_are_refused_by_name(read, content):
    with pytest.raises(BadInput, match="two columns are named '(prompt|id|A)'. Rename one of them"):
        read(content)


def test_cells_of_a_table_with_carriage_returns_stay_byte_for_byte(read):
    assert read(b'prompt,completion\r"a\nb\r\nc",d\r') == [(2, {"prompt": "a\nb\r\nc", "completion": "d"}, "")]


def test_bytes_of_parquet_that_are_text_are_text(tmp_path):
    path = tmp_path / "t"
    parquet.write_table(pa.table({"prompt": ["안녕".encode()]}), path)
    assert [row.value for row in read_rows(path)] == [{"prompt": "안녕"}]

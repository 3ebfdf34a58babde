# SPDX-License-Identifier: Apache-2.0
"""Files of every kind come out as numbered rows, and broken ones as one clear line."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.formats import reading, values
from data.formats.reading import read_lines, read_rows

TWO = [{"prompt": "one"}, {"prompt": "two"}]


def read(path: Path, content: bytes) -> list[tuple[int, dict, str]]:
    path.write_bytes(content)
    return [tuple(row) for row in read_rows(path)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "given.dat"


def lines_of(items: list) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def test_json_lines_are_numbered_and_blank_lines_skipped(file):
    assert read(file, b'{"prompt": "one"}\n\n{"prompt": "two"}') == [(1, TWO[0], ""), (3, TWO[1], "")]


def test_an_array_is_read_under_any_name_and_its_rows_know_their_lines(file):
    assert read(file, json.dumps(TWO, indent=1).encode()) == [(2, TWO[0], ""), (5, TWO[1], "")]


def test_an_array_on_one_line_is_read(file):
    assert read(file, json.dumps(TWO).encode()) == [(1, TWO[0], ""), (1, TWO[1], "")]


def test_objects_over_several_lines_are_read_one_after_another(file):
    written = "\n".join(json.dumps(item, indent=2) for item in TWO)
    assert read(file, written.encode()) == [(1, TWO[0], ""), (4, TWO[1], "")]


@pytest.mark.parametrize("content", [lines_of(TWO), json.dumps(TWO).encode()])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_gzip_and_a_byte_order_mark_change_nothing(file, content, bom, pack):
    assert [value for _, value, _ in read(file, pack(bom + content))] == TWO


def test_an_array_larger_than_the_window_keeps_every_row_and_line(file):
    many = [{"prompt": "é" * 300, "number": number} for number in range(2000)]
    result = read(file, json.dumps(many, indent=0, ensure_ascii=False).encode())
    assert [value["number"] for _, value, _ in result] == list(range(2000))
    assert result[-1][0] == 2 + 1999 * 4  # each row takes four lines


def test_a_row_larger_than_the_window_is_read(file):
    long = {"prompt": "x" * 300_000}
    assert read(file, json.dumps([long, TWO[0]]).encode()) == [(1, long, ""), (1, TWO[0], "")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"prompt": "tw', "not valid JSON (Unterminated string starting at, column 12)"),
        (b"nonsense", "not valid JSON (Expecting value, column 1)"),
        (b"[1, 2]", "a row must be a JSON object {...}, this one is [1, 2]"),
        (b'{"prompt": "\xff"}', "not UTF-8 text (byte 0xff at 13)"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not usable JSON (Exceeds the limit (4300 digits)"),
    ],
)
def test_a_bad_line_is_a_problem_of_its_own_row(file, line, problem):
    result = read(file, b'{"prompt": "one"}\n' + line + b'\n{"prompt": "two"}\n')
    assert [row[:2] for row in result] == [(1, TWO[0]), (2, {}), (3, TWO[1])]
    assert result[1][2].startswith(problem)


def test_a_line_separator_inside_a_text_does_not_end_the_line(file):
    result = read(file, '{"prompt": "one\u2028more"}\nnonsense\n'.encode())
    assert result[0] == (1, {"prompt": "one\u2028more"}, "")
    assert result[1][2].startswith("not valid JSON")


def spoilt(file: Path, content: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read(file, content)
    assert caught.value.file == str(file)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "content", [b"", b" \n\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)]
)  # an id must be the same in every worker
def test_an_empty_file_is_refused(file, content):
    assert spoilt(file, content).error == "the file is empty"


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, error in ((".", "this is a folder"), ("none", "there is no such file"), ("pipe", "not a regular file")):
        with pytest.raises(BadInput, match=error):
            list(read_rows(tmp_path / name))


def test_an_unreadable_file_is_refused(file, monkeypatch):
    file.write_bytes(lines_of(TWO))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # the tests may run as root, whom no mode stops
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        list(read_rows(file))


def test_a_cut_gzip_file_names_the_place(file):
    packed = gzip.compress(lines_of([{"prompt": f"number {n} {n * 7919}"} for n in range(20_000)]))
    error = spoilt(file, packed[:-200])
    assert error.error == "the gzip file ends in the middle"
    assert error.line > 1000


def test_a_damaged_gzip_file_is_refused(file):
    packed = bytearray(gzip.compress(lines_of([{"prompt": f"number {n} {n * 7919}"} for n in range(20_000)])))
    packed[-6] ^= 0xFF  # the checksum
    assert spoilt(file, bytes(packed)).error.startswith("the gzip file is damaged")


@pytest.mark.parametrize("cut", [b',\n{"prompt": "tw', b',\n{"prompt"', b"\n,\n", b"\n"])
def test_a_cut_array_names_the_line(file, cut):
    error = spoilt(file, b'[{"prompt": "one"}' + cut)
    assert error.error == "the JSON ends in the middle"
    assert error.line in (2, 3)


@pytest.mark.parametrize(
    ("content", "error", "line"),
    [
        (b'[{"prompt": "one"}\n {"prompt": "two"}]', "expected , or ] and found '{'", 2),
        (b'[{"prompt": "one"},\n {"prompt" "two"}]', "Expecting ':' delimiter", 2),
        (b'[{"prompt": "one"}]\n[]', "something follows the end of the array: '['", 2),
        (b'[\n{"prompt": "\xff"}]', "not UTF-8 text (byte 0xff)", 1),
        (b'[\n{"a": ' + b"[" * 100_000, "nested too deeply", 2),
    ],
)
def test_broken_json_in_an_array_names_the_line(file, content, error, line):
    result = spoilt(file, content)
    assert error in result.error
    assert result.line == line


@pytest.mark.parametrize("content", [b"x" * 40, b'{"a": "' + b"x" * 40 + b'"}', b'[{"a": "' + b"x" * 40])
def test_a_huge_line_is_refused_without_reading_it_all(file, content, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST", 32)
    monkeypatch.setattr(values, "LONGEST", 32)
    monkeypatch.setattr(values, "CHUNK", 8)
    file.write_bytes(b'{"a": 1}\n' + content if content[:1] != b"[" else content)
    with pytest.raises(BadInput, match="longer than 0 MiB"):
        list(read_rows(file))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Dear all,\n\nhere is the data.\n", "this is text without rows: it begins with 'Dear all,"),
        (b"PK\x03\x04zzzz", "the zip archive is damaged"),
        (b"PAR1zzzz", "the Parquet file is damaged or cut off"),
    ],
)
def test_another_kind_of_file_is_named(file, content, error):
    assert spoilt(file, content).error.startswith(error)


def test_plain_lines_keep_their_numbers(file):
    file.write_bytes(b"\xef\xbb\xbfone\r\n\n two \n\xff\n")
    assert list(read_lines(file)) == [(1, "one", ""), (3, "two", ""), (4, "", "not UTF-8 text (byte 0xff at 1)")]


PIECES = st.sampled_from(
    [bytes([byte]) for byte in b'[]{},:"\n \xff\\']
    + [b'{"prompt": "one"}', b"\xef\xbb\xbf", b"1e9", b"null", b"\x1f\x8b"]
)


@given(
    st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)), st.booleans(), st.integers(0, 60)
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_bytes_only_bad_input_comes_out(file, content, packed, cut):
    file.write_bytes(gzip.compress(content)[: max(cut, 20)] if packed else content)
    for reader in (read_rows, read_lines):
        with contextlib.suppress(BadInput):
            assert all(isinstance(row[2], str) for row in reader(file))

# SPDX-License-Identifier: Apache-2.0
"""Text for pre-training: held-out documents, file formats, the shuffle window, and refusals."""

from __future__ import annotations

import gzip
import json
import random
import re
from itertools import islice

import pyarrow
import pytest
from pyarrow import parquet

import app
from data.errors import BadInput
from data.splits import split_of
from data.starter import corpus
from rlhf.methods.pretraining_text import read_text, shuffle_window
from tests.support.pretraining import LINES, pretrained, write_lines


@pytest.fixture
def text(tmp_path):
    return write_lines(tmp_path)


def test_lines_that_hash_to_the_test_split_are_held_out(text):
    source = read_text(text)
    trained = {line.removesuffix(corpus.DOCUMENT) for line in islice(source.documents(0), 3 * len(LINES))}
    held_out = {line.removesuffix(corpus.DOCUMENT) for line in source.held_out(0)}
    assert held_out == {line for line in LINES if split_of(line) == "test"} != set()
    assert trained == set(LINES) - held_out


def documents_of(path, **given):
    source = read_text(str(path), **given)
    count = sum(split_of(line) != "test" for line in LINES)
    trained = {line.removesuffix(corpus.DOCUMENT) for line in islice(source.documents(0), count)}
    return trained | {line.removesuffix(corpus.DOCUMENT) for line in source.held_out(0)}


def test_json_lines_parquet_and_folders_hold_the_documents_of_a_column(tmp_path):
    rows = [{"body": line, "other": 1} for line in LINES]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert documents_of(tmp_path / name, column="body") == set(LINES)
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "one.txt").write_text("\n".join(LINES[:8]))
    (tmp_path / "both" / "two.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES[8:]))
    assert documents_of(tmp_path / "both") == set(LINES)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"body": "two"}\n', "no text 'text': it has 'body'.*line 2"),
        ("a.jsonl", b"[1]\n", "it is not a JSON object"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("b.txt", b"", "no text to train on"),
    ],
)
def test_an_unusable_row_is_refused_with_its_line(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        list(islice(read_text(str(tmp_path / name)).documents(0), 3))
    assert re.search(problem, f"{caught.value} line {caught.value.line}")


def test_a_parquet_file_without_the_column_names_those_it_has(tmp_path):
    parquet.write_table(pyarrow.table({"body": ["one"]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="no column 'text': it has body"):
        read_text(str(tmp_path / "a.parquet"))


def test_the_shuffle_window_loses_no_document(monkeypatch):
    monkeypatch.setattr("rlhf.methods.pretraining_text.SHUFFLED", 5)
    source = list(shuffle_window([str(number) for number in range(50)], random.Random(0)))
    assert sorted(source, key=int) == [str(number) for number in range(50)]
    assert source != sorted(source, key=int)


def test_every_document_comes_once_per_pass(text):
    count = sum(split_of(line) != "test" for line in LINES)
    documents = list(islice(read_text(text).documents(0), 2 * count))
    assert len(set(documents[:count])) == len(set(documents[count:])) == count
    assert documents[:count] != documents[count:]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no text file"),
        (b"", "no text to train on"),
        (b"\n \n", "no text to train on"),
        (gzip.compress(b"text", mtime=0), "cannot be read"),
    ],
)
def test_an_unreadable_text_is_refused_in_one_line_and_queues_nothing(store, tmp_path, capsys, content, problem):
    path = tmp_path / "some.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        pretrained(store, text=str(path), max_steps=1)
    runs = len(store.runs.all())
    assert app.main(["train", "pretrain", "--set", f"text={path}", "--home", str(store.home)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert problem in line
    assert str(path) in line
    assert len(store.runs.all()) == runs

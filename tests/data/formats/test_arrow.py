# SPDX-License-Identifier: Apache-2.0
"""Arrow files and streams come out as numbered rows; batches that unpack to far too much are refused before they do."""

from __future__ import annotations

import contextlib
import lzma

import pyarrow as pa
import pytest
from pyarrow import feather

from data.errors import BadInput
from data.formats.files import arrow, columnar, opening, packing
from data.formats.reading import read_rows
from tests.support.data import containers

ROWS = [{"prompt": f"p{n}", "facts": {"n": n}, "turns": [{"role": "user", "content": "é"}]} for n in range(10)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_rows_of_several_batches_are_numbered(tmp_path, stream, compression):
    (tmp_path / "t").write_bytes(containers.arrow(ROWS, stream=stream, compression=compression))
    assert [tuple(row) for row in read_rows(tmp_path / "t")] == [(n + 1, row, "") for n, row in enumerate(ROWS)]


def test_dictionaries_of_texts_and_numbers_are_read(tmp_path):
    table = pa.table(
        {"prompt": pa.array(["a", "b", "a"]).dictionary_encode(), "n": pa.array([7, 7, 8]).dictionary_encode()}
    )
    feather.write_feather(table, tmp_path / "t", compression="zstd")
    assert [row.value for row in read_rows(tmp_path / "t")] == table.to_pylist()


@pytest.mark.parametrize("dictionary", [False, True])
def test_a_batch_that_unpacks_to_far_more_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, dictionary):
    text = pa.array(["x" * 100_000 + str(n) for n in range(20)])
    table = pa.table({"prompt": text.dictionary_encode() if dictionary else text})
    feather.write_feather(table, tmp_path / "t", compression="zstd")
    monkeypatch.setattr(arrow, "UNPACKED", 1 << 20)
    with pytest.raises(BadInput, match=r"a batch of records takes 2,0\d\d,\d+ bytes"):
        list(read_rows(tmp_path / "t"))


def test_a_large_batch_is_refused_by_its_size(tmp_path, monkeypatch):
    (tmp_path / "t").write_bytes(containers.arrow([{"prompt": "x" * 5000}], stream=True))
    monkeypatch.setattr(arrow, "LARGEST", 4000)
    with pytest.raises(BadInput, match="takes 5,0.. bytes, and at most 4,000 are read"):
        list(read_rows(tmp_path / "t"))


def test_a_long_row_is_a_bad_row_and_its_neighbours_are_good(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "LONGEST", 1000)
    (tmp_path / "t").write_bytes(containers.arrow([{"prompt": "a"}, {"prompt": "x" * 2000}, {"prompt": "b"}]))
    assert [row.value.get("prompt") for row in read_rows(tmp_path / "t")] == ["a", None, "b"]


def test_a_packed_parquet_file_that_unpacks_to_far_more_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t").write_bytes(lzma.compress(containers.parquet_file([{"prompt": "x" * 50_000}])))
    monkeypatch.setattr(opening, "UNPACKED", 100)
    monkeypatch.setattr(opening, "RATIO", 1)
    with pytest.raises(BadInput, match="the file unpacks to more than"):
        list(read_rows(tmp_path / "t"))


@pytest.mark.parametrize("stream", [False, True])
def test_no_damaged_byte_reads_beyond_its_batch(tmp_path, stream):
    whole = containers.arrow(ROWS[:2], stream=stream)
    for place in range(0, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 0x88
        (tmp_path / "t").write_bytes(content)
        with contextlib.suppress(BadInput):
            assert len(list(read_rows(tmp_path / "t"))) <= len(ROWS)


def test_xz_that_needs_much_memory_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t").write_bytes(lzma.compress(containers.json_lines(ROWS), preset=9))
    monkeypatch.setattr(packing, "MEMORY", 1 << 20)
    with pytest.raises(BadInput, match=r"the xz file is damaged \(Memory usage limit exceeded\)"):
        list(read_rows(tmp_path / "t"))

# SPDX-License-Identifier: Apache-2.0
"""Limits bind the unpacked row: a small hostile file neither fills the memory nor holds an import up."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.errors import BadInput
from data.formats import reading, values
from data.formats.files import sheets
from data.formats.files.columnar import read_parquet_rows
from data.formats.reading import read_rows
from tests.support import ROOT

ROW = 16 << 20
MEBIBYTE = 1 << 20

IMPORT = """
import sys
import pyarrow.parquet, pyarrow.compute
import app
status = app.main(["import", sys.argv[1], "--as", "prompts", "--skip-bad", "--home", sys.argv[2], *sys.argv[3:]])
# ru_maxrss would hold the memory of the parent before exec
memory = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak", status, int(memory.split()[1]) >> 10)
"""


def peak(tmp_path, file, *options):
    """Import a file in a process of its own -> (exit status, peak memory in MiB)."""
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT, str(file), str(tmp_path / "home"), *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    _, status, mebibytes = ran.stdout.splitlines()[-1].split()
    return int(status), int(mebibytes)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """The peak memory in MiB of an import of one short row."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "one.jsonl").write_text('{"prompt": "Say hi."}\n')
    return peak(folder, folder / "one.jsonl")[1]


def same_text(path):
    parquet.write_table(pa.table({"prompt": ["x" * (ROW + 1)] * 24}), path, compression="zstd")


def nested(path):
    turns = [{"role": "user", "content": "y" * MEBIBYTE}] * 100
    parquet.write_table(pa.table({"messages": [turns] * 8}), path, compression="zstd")


def longest_texts(path):
    parquet.write_table(pa.table({"prompt": ["x" * (ROW - 1000)] * 32}), path, compression="zstd")


def one_record(path):
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write('prompt,other\nshort,a\n"')
        for _ in range(400):
            out.write(("z" * 1000 + "\n") * 1000)


def long_rows(path):
    with gzip.open(path, "wt", compresslevel=1) as out:
        for number in range(24):
            out.write(json.dumps({"prompt": f"{number}" + "w" * (ROW - 1000)}) + "\n")


@pytest.mark.parametrize(
    ("write", "status", "bound"),
    [(same_text, 2, 200), (nested, 2, 300), (longest_texts, 0, 400), (one_record, 0, 250), (long_rows, 0, 300)],
)
def test_a_small_file_of_large_rows_takes_bounded_memory(tmp_path, baseline, write, status, bound):
    write(tmp_path / "given")
    found, mebibytes = peak(tmp_path, tmp_path / "given")
    assert found == status
    assert mebibytes < baseline + bound, f"{mebibytes} MiB, {baseline} without the rows"


def test_a_long_parquet_row_is_a_bad_row_and_its_neighbours_are_good(tmp_path):
    parquet.write_table(pa.table({"prompt": ["short", "x" * (ROW + 1), "short"], "n": [1, 2, None]}), tmp_path / "p")
    assert list(read_parquet_rows(tmp_path / "p")) == [
        (1, {"prompt": "short", "n": 1}, ""),
        (2, {}, "the row is longer than 16 MiB"),
        (3, {"prompt": "short", "n": None}, ""),
    ]


def test_a_parquet_column_that_unpacks_to_far_more_is_refused(tmp_path):
    parquet.write_table(
        pa.table({"prompt": ["x" * MEBIBYTE + str(n) for n in range(200)]}),
        tmp_path / "p",
        compression="zstd",
        use_dictionary=False,
    )
    with pytest.raises(BadInput, match=r"the column 'prompt' unpacks from [\d,]+ to 209,[\d,]+ bytes"):
        list(read_parquet_rows(tmp_path / "p"))


def test_a_record_of_many_lines_counts_as_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "LONGEST", 64)
    (tmp_path / "t.csv").write_text("prompt,other\nfine,a\n" + '"' + "12345678\n" * 20 + '",b\n')
    rows = read_rows(tmp_path / "t.csv")
    assert next(rows).value["prompt"] == "fine"
    with pytest.raises(BadInput, match="longer than") as refused:
        list(rows)
    assert (refused.value.line, refused.value.file) == (3, str(tmp_path / "t.csv"))


@pytest.mark.parametrize("head", ['{"prompt": "a"}\n', "prompt,other\na,b\n"])
def test_blank_lines_count_against_a_limit(tmp_path, head):
    file = tmp_path / "t"
    file.write_text(head + "\n" * reading.BLANK)
    assert len(list(read_rows(file))) == 1
    file.write_text(head + "\n" * (reading.BLANK + 100))
    with pytest.raises(BadInput, match=r"of 100,\d+ lines are blank"):
        list(read_rows(file))


def test_white_space_between_values_counts_against_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(values, "LONGEST", 1000)
    (tmp_path / "t").write_text('[{"prompt": "a"},' + " " * 200_000 + '{"prompt": "b"}]')
    with pytest.raises(BadInput, match="of white space"):
        list(read_rows(tmp_path / "t"))

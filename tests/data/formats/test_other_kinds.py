# SPDX-License-Identifier: Apache-2.0
"""A file that holds no rows is named for what it is, with what to do."""

from __future__ import annotations

import io
import pickle
import tarfile

import pytest

from data.errors import BadInput
from data.formats.reading import read_rows
from tests.support.data.containers import zipped


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("rows.jsonl"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "error", "remedy"),
    [
        (zipped({"xl/workbook.xml": b"<workbook/>"}), "this is an Excel workbook", "Save as CSV"),
        (zipped({"word/document.xml": b"<document/>"}), "this is a Word document", "CSV"),
        (zipped({"content.xml": b"<office/>"}), "this is an OpenDocument file", "Save as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is an old Office file", "Save as CSV"),
        (b"SQLite format 3\0", "this is an SQLite database", "CSV"),
        (pickle.dumps({"prompt": "a"}), "this is a Python pickle", "JSON Lines"),
        (b"%PDF-1.7\n", "this is a PDF document", "JSON Lines"),
        (tar(), "this is a tar archive", "import the folder"),
        (b"<!DOCTYPE html>\n<html>", "this looks like a web page", "Download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\n", "this looks like a Git LFS pointer", "git lfs pull"),
        (b"{'prompt': 'a'}\n", "this looks like Python's notation of dictionaries", "json.dumps"),
        (b"[{'prompt': 'a'}]\n", "this looks like Python's notation of dictionaries", "json.dumps"),
        (b"| prompt | completion |\n|---|---|\n| a | b |\n", "this looks like a Markdown table", "CSV"),
        (b"---\nprompt: a\n", "this looks like YAML", "table"),
        (b"Dear all,\n\nhere is the data.\n", "this is text without rows", ".txt"),
        (b"\x01\x02\xff\xfe\x00\x00", "this is no text", "JSON Lines"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_without_rows_is_named(tmp_path, content, error, remedy):
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(BadInput) as refused:
        list(read_rows(tmp_path / "given"))
    assert refused.value.error.startswith(error)
    assert remedy in refused.value.remedy

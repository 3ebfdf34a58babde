# SPDX-License-Identifier: Apache-2.0
"""Names of files that hold no rows, by their beginning, with what to do instead."""

from __future__ import annotations

import re

from data.errors import BadInput
from data.formats.files import archives
from data.formats.files.source import Source

SAVE = "Save it as JSON Lines, CSV or Parquet."
WORKBOOK = "In the spreadsheet program choose Save as CSV, and import that file."
UNPACK = "Unpack it, and import the folder."
MAGICS = {
    b"SQLite format 3": ("an SQLite database", "Export its table as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old Office file, such as .xls", WORKBOOK),
    b"FEA1": ("Feather of version 1", "Save it as Feather version 2, or as Parquet."),
    b"%PDF": ("a PDF document", SAVE),
    b"\x89PNG": ("a PNG image", SAVE),
    b"\xff\xd8\xff": ("a JPEG image", SAVE),
    b"GIF8": ("a GIF image", SAVE),
    b"\x80\x02": ("a Python pickle", SAVE),
    b"\x80\x03": ("a Python pickle", SAVE),
    b"\x80\x04": ("a Python pickle", SAVE),
    b"\x80\x05": ("a Python pickle", SAVE),
    b"\x93NUMPY": ("a NumPy array", SAVE),
    b"\x89HDF": ("an HDF5 file", SAVE),
    b"GGUF": ("a model in GGUF", "Give a file of rows."),
    b"Obj\x01": ("an Avro file", SAVE),
    b"ORC": ("an ORC file", "Save it as Parquet."),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"\x04\x22\x4d\x18": ("an LZ4 file", UNPACK),
}
"""First bytes -> what the file is, and what to do."""
TAR = slice(257, 262)
"""Place of `ustar` in a tar archive."""
PYTHON = re.compile(r"\{\s*'|\[\s*\{\s*'")
TEXTS = (
    (r"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch the file with: git lfs pull."),
    (r"(?i)<!doctype html|<html", "a web page", "Download the file itself, not the page that shows it."),
    (r"<", "XML or HTML", SAVE),
    (PYTHON, "Python's notation of dictionaries, not JSON", "Write each row with json.dumps."),
    (r"\|.*\|\s*\n", "a Markdown table", "Save it as CSV."),
    (r"---\s*\n|-?\s*\w+:\s", "YAML or text", "Give one JSON object per line, one JSON array, or a table."),
)
"""Beginning of a text -> what it is, and what to do."""
PLAIN = (
    "Give one JSON object per line, one JSON array, or a table with column names in its first line. "
    "Put plain prompts in a file named .txt."
)
OFFICE = {
    "xl/": ("an Excel workbook", WORKBOOK),
    "word/": ("a Word document", SAVE),
    "ppt/": ("a PowerPoint file", SAVE),
    "content.xml": ("an OpenDocument file", WORKBOOK),
    "data.pkl": ("a PyTorch file", "Give a file of rows."),
}
"""Members of zip archives that are one document."""


def refuse_other_kind(head: bytes, source: Source) -> None:
    """Raise BadInput that names the file, if its first bytes are those of a file without rows."""
    if head[TAR] == b"ustar":
        raise BadInput("this is a tar archive", UNPACK, file=str(source))
    for magic, (name, remedy) in MAGICS.items():
        if head.startswith(magic):
            raise BadInput(f"this is {name}", remedy, file=str(source))


def refuse_archive(head: bytes, source: Source) -> None:
    """Raise BadInput for a zip archive that is read as one file: a document, or an archive in an archive."""
    if not head.startswith(archives.MAGIC):
        return
    if source.member:
        raise BadInput("this is a ZIP archive inside another", UNPACK, file=str(source))
    refuse_document(source)
    raise BadInput("this is a ZIP archive", UNPACK, file=str(source))


def refuse_document(source: Source) -> None:
    """Raise BadInput if the zip archive is a workbook or another document."""
    with archives.open_archive(source.path) as archive:
        names = archive.namelist()
    for start, (name, remedy) in OFFICE.items():
        if any(member.startswith(start) or member.endswith("/" + start) for member in names):
            raise BadInput(f"this is {name}", remedy, file=str(source))


def refuse_text(text: str, source: Source) -> None:
    """Raise BadInput for text that is neither JSON nor a table; it says what the text looks like."""
    start = text.lstrip("\ufeff \t\r\n")
    beginning = f"it begins with {start.strip()[:30]!r}"
    for pattern, name, remedy in TEXTS:
        if re.match(pattern, start):
            raise BadInput(f"this looks like {name}: {beginning}", remedy, file=str(source))
    if "\0" in start or "\ufffd" in start[:30]:
        raise BadInput(f"this is no text that can be read: {beginning}", SAVE, file=str(source))
    raise BadInput(f"this is text without rows: {beginning}", PLAIN, file=str(source))

# SPDX-License-Identifier: Apache-2.0
"""Names of files that hold no rows, by their beginning, with what to do instead."""

from __future__ import annotations

import re

from data.errors import BadInput
from data.formats.files import archives
from data.formats.files.source import Source

MAGICS = {
    b"SQLite format 3": "sqlite",
    b"\xd0\xcf\x11\xe0": "old_office",
    b"FEA1": "feather1",
    b"%PDF": "pdf",
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF8": "gif",
    b"\x80\x02": "pickle",
    b"\x80\x03": "pickle",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
    b"\x93NUMPY": "numpy",
    b"\x89HDF": "hdf5",
    b"GGUF": "gguf",
    b"Obj\x01": "avro",
    b"ORC": "orc",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x04\x22\x4d\x18": "lz4",
}
"""First bytes -> the end of the key `error.file_…` of what the file is."""
TAR = slice(257, 262)
"""Place of `ustar` in a tar archive."""
PYTHON = re.compile(r"\{\s*'|\[\s*\{\s*'")
TEXTS = (
    (r"version https://git-lfs", "lfs"),
    (r"(?i)<!doctype html|<html", "web_page"),
    (r"<", "xml"),
    (PYTHON, "python"),
    (r"\|.*\|\s*\n", "markdown"),
    (r"---\s*\n|-?\s*\w+:\s", "yaml"),
)
"""Beginning of a text -> the end of the key `error.looks_…` of what it is."""
OFFICE = {
    "xl/": "xlsx",
    "word/": "docx",
    "ppt/": "pptx",
    "content.xml": "opendocument",
    "data.pkl": "pytorch",
}
"""Members of zip archives that are one document."""


def refuse_other_kind(head: bytes, source: Source) -> None:
    """Raise BadInput that names the file, if its first bytes are those of a file without rows."""
    if head[TAR] == b"ustar":
        raise BadInput.of("error.file_tar", file=str(source))
    for magic, name in MAGICS.items():
        if head.startswith(magic):
            raise BadInput.of(f"error.file_{name}", file=str(source))


def refuse_archive(head: bytes, source: Source) -> None:
    """Raise BadInput for a zip archive that is read as one file: a document, or an archive in an archive."""
    if not head.startswith(archives.MAGIC):
        return
    if source.member:
        raise BadInput.of("error.file_inner_zip", file=str(source))
    refuse_document(source)
    raise BadInput.of("error.file_zip", file=str(source))


def refuse_document(source: Source) -> None:
    """Raise BadInput if the zip archive is a workbook or another document."""
    with archives.open_archive(source.path) as archive:
        names = archive.namelist()
    for start, name in OFFICE.items():
        if any(member.startswith(start) or member.endswith("/" + start) for member in names):
            raise BadInput.of(f"error.file_{name}", file=str(source))


def refuse_text(text: str, source: Source) -> None:
    """Raise BadInput for text that is neither JSON nor a table; it says what the text looks like."""
    start = text.lstrip("\ufeff \t\r\n")
    beginning = start.strip()[:30]
    for pattern, name in TEXTS:
        if re.match(pattern, start):
            raise BadInput.of(f"error.looks_{name}", beginning=beginning, file=str(source))
    if "\0" in start or "\ufffd" in start[:30]:
        raise BadInput.of("error.looks_unreadable", beginning=beginning, file=str(source))
    raise BadInput.of("error.looks_plain", beginning=beginning, file=str(source))

# SPDX-License-Identifier: Apache-2.0
"""Zip archives as folders of members. Nothing is unpacked to disk, and a name never leaves the archive."""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_CUR, BufferedIOBase, FileIO
from pathlib import Path, PurePosixPath
from typing import IO, cast

from data.errors import BadInput
from data.formats.files.source import Source

MAGIC = b"PK\x03\x04"
LOCAL = struct.Struct("<4s22xHH")
"""The head of a member: its mark, and the lengths of its name and of what follows, which lie before its bytes."""
LISTING = 16 << 20
"""Largest listing of an archive in bytes: 200,000 members or so."""
RATIO = 1100
"""Deflate packs 1032 bytes into one at best. Only an archive whose members overlap unpacks to more."""
UNPACKED = 1 << 30
"""Bytes to which every archive may unpack, as bzip2 and xz members may be packed tighter."""


class _Listed(FileIO):
    """The file of an archive, which refuses to load a huge listing into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = LISTING + 1
        block = super().read(most if size is None or size < 0 else min(size, most))
        if len(block) > LISTING:
            raise zipfile.BadZipFile(f"its listing takes more than {LISTING >> 20} MiB")
        return block


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive. Raises BadInput if its listing cannot be read."""
    try:
        archive = zipfile.ZipFile(_Listed(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise BadInput.of("error.zip_damaged", file=str(path), error=str(error)) from None
    with archive:
        yield archive


def list_members(path: Path) -> list[zipfile.ZipInfo]:
    """Return the members that are files.

    Raises BadInput for an archive that names a path outside itself, names one twice, or unpacks to far more than it
    holds.
    """
    with open_archive(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    for name in names:
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or ":" in name[:2]:
            raise BadInput.of("error.zip_outside", file=str(path), name=name[:80])
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise BadInput.of("error.zip_twice", file=str(path), name=doubled[0][:80])
    size, packed = sum(info.file_size for info in infos), path.stat().st_size
    if size > max(UNPACKED, RATIO * packed):
        raise BadInput.of("error.zip_large", file=str(path), packed=packed, size=size)
    return infos


@contextmanager
def open_member(file: IO[bytes], source: Source, info: zipfile.ZipInfo) -> Iterator[BufferedIOBase]:
    """Open a member by its entry, so that the listing is read once. Raises BadInput for one that cannot be read."""
    if info.flag_bits & 1:
        raise BadInput.of("error.zip_encrypted", file=str(source))
    file.seek(info.header_offset)
    header = file.read(LOCAL.size)
    mark, *lengths = LOCAL.unpack(header) if len(header) == LOCAL.size else (b"", 0, 0)
    if mark != MAGIC:
        raise BadInput.of("error.zip_broken", file=str(source))
    file.seek(sum(lengths), SEEK_CUR)
    try:
        member = zipfile.ZipExtFile(file, "r", info)
    except NotImplementedError as error:
        raise BadInput.of("error.zip_member", file=str(source), error=str(error)) from None
    with member:
        yield cast(BufferedIOBase, member)

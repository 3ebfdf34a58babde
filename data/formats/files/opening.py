# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file or of a zip archive's member, unpacked. What cannot be read raises BadInput in one line."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, cast

from data.errors import BadInput
from data.formats.files.archives import open_member
from data.formats.files.packing import BROKEN, LONGEST_MAGIC, PACKINGS, find_packing
from data.formats.files.source import Source

UNPACKED, RATIO = 128 << 20, 100
"""Packed columns may not unpack to more bytes than both the first, and the second times their packed bytes."""


class Meter:
    """The progress of reading some files one after the other, by their bytes on disk, or in a zip archive."""

    def __init__(self, paths: Sequence[Path | Source]) -> None:
        self._all = sum(_size(Source.of(path)) for path in paths)
        self._before = 0
        self._stream: BufferedIOBase | None = None

    @contextmanager
    def watching(self, stream: BufferedIOBase) -> Iterator[None]:
        """Count the bytes that are read of this file."""
        self._stream = stream
        try:
            yield
        finally:
            self._before, self._stream = self._before + stream.tell(), None

    @property
    def share(self) -> float | None:
        """Return the share read, between 0 and 1; None if nothing was read yet."""
        read = self._before + (self._stream.tell() if self._stream else 0)
        return min(1.0, read / self._all) if read and self._all else None


def _size(source: Source) -> int:
    if source.info:
        return source.info.file_size
    return source.path.stat().st_size if source.path.is_file() else 0


@contextmanager
def open_bytes(path: Path | Source, meter: Meter | None = None) -> Iterator[BufferedIOBase]:
    """Open a file or a member for reading bytes, unpacked if it is packed; `meter` counts them.

    Raises BadInput for anything but a readable regular file.
    """
    source = Source.of(path)
    with _open_packed(source) as packed, meter.watching(packed) if meter else nullcontext():
        try:
            magic = find_packing(cast(BufferedReader, packed).peek(LONGEST_MAGIC)[:LONGEST_MAGIC])
        except BROKEN as error:
            raise make_read_error(source, error) from None
        if magic:
            with PACKINGS[magic][1](packed) as stream:
                yield stream
        else:
            yield packed


@contextmanager
def _open_packed(source: Source) -> Iterator[BufferedIOBase]:
    """Open the bytes as they are on disk or in the archive."""
    path = source.path
    if path.is_dir():
        raise BadInput.of("error.is_folder", file=str(path))
    if not path.exists():
        raise BadInput.of("error.no_file", file=str(path))
    if not path.is_file():
        raise BadInput.of("error.not_regular", file=str(path))
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadInput.of("error.no_permission", file=str(path), strerror=error.strerror) from None
    with file, open_member(file, source, source.info) if source.info else nullcontext(file) as packed:
        yield packed


@contextmanager
def open_seekable(path: Path | Source) -> Iterator[IO[bytes] | Path]:
    """Return the path of an unpacked file; of a packed one a temporary copy, unpacked.

    Raises BadInput for a file that unpacks to far more than it holds packed.
    """
    source = Source.of(path)
    with _open_packed(source) as packed:
        bare = not source.info and not find_packing(cast(BufferedReader, packed).peek(LONGEST_MAGIC)[:LONGEST_MAGIC])
    if bare:
        yield source.path
        return
    limit = max(UNPACKED, RATIO * source.path.stat().st_size)
    with TemporaryFile() as copy, open_bytes(source) as stream:
        try:
            while block := stream.read(1 << 20):
                copy.write(block)
                if copy.tell() > limit:
                    raise BadInput.of("error.unpacks_large", file=str(source), limit=limit)
        except BROKEN as error:
            raise make_read_error(source, error) from None
        copy.seek(0)
        yield copy


def make_read_error(path: Path | Source, error: Exception, line: int | None = None) -> BadInput:
    """Return the error for a file that breaks off in the middle, or is damaged."""
    source = Source.of(path)
    if isinstance(error, zipfile.BadZipFile):
        return BadInput.of("error.zip_damaged", file=str(source), line=line, error=str(error))
    name = _packing_name(source)
    if isinstance(error, EOFError) or "Truncated" in str(error):
        return BadInput.of("error.packed_cut", file=str(source), line=line, name=name or "zip")
    if name and getattr(error, "errno", None) is None:
        return BadInput.of("error.packed_damaged", file=str(source), line=line, name=name, error=str(error))
    return BadInput.of("error.unreadable", file=str(source), line=line, error=str(error))


def _packing_name(source: Source) -> str:
    with _open_packed(source) as packed:
        try:
            magic = find_packing(packed.read(LONGEST_MAGIC))
        except BROKEN:
            return ""
    return PACKINGS[magic][0] if magic else ""

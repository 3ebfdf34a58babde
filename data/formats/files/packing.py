# SPDX-License-Identifier: Apache-2.0
"""Packed streams: gzip, Zstandard, bzip2 and xz, detected by their first bytes and unpacked a block at a time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from io import DEFAULT_BUFFER_SIZE, BufferedIOBase, BufferedReader, RawIOBase
from typing import Protocol, cast

BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Errors of a cut or damaged packed file and of an unreadable disk."""
MEMORY = 128 << 20
"""Bytes that unpacking xz may take; `xz -9` needs 65 MiB."""
LONGEST_MAGIC = 6


class Unpacker(Protocol):
    """Unpacks one stream, as the decompressors of `bz2` and `lzma` do."""

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Return whether there is nothing left to unpack."""

    @property
    def unused_data(self) -> bytes:
        """Return the bytes behind the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpack at most `max_length` bytes."""


class _Streams(RawIOBase):
    """The bytes of one or several packed streams in a row, unpacked no faster than they are read."""

    def __init__(self, packed: BufferedIOBase, make: Callable[[], Unpacker]) -> None:
        self._packed, self._make = packed, make
        self._unpacker = make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer. Raises EOFError if the file ends inside a stream."""
        while True:
            if self._unpacker.eof:
                rest = self._unpacker.unused_data or self._packed.read1(DEFAULT_BUFFER_SIZE)
                if not rest:
                    return 0
                self._unpacker = self._make()
            elif self._unpacker.needs_input:
                rest = self._packed.read1(DEFAULT_BUFFER_SIZE)
                if not rest:
                    raise EOFError
            else:
                rest = b""
            if block := self._unpacker.decompress(rest, len(buffer)):
                buffer[: len(block)] = block
                return len(block)


class ArrowSource:
    """A file for pyarrow, which would close it. The file belongs to its opener."""

    closed = False

    def __init__(self, read: Callable[[int], bytes | memoryview]) -> None:
        self.read = read

    def close(self) -> None:
        """Leave the file open."""


def _gzip(packed: BufferedIOBase) -> BufferedIOBase:
    return cast(BufferedIOBase, gzip.open(packed, "rb"))


def _bzip2(packed: BufferedIOBase) -> BufferedIOBase:
    return BufferedReader(_Streams(packed, bz2.BZ2Decompressor))


def _xz(packed: BufferedIOBase) -> BufferedIOBase:
    return BufferedReader(_Streams(packed, lambda: lzma.LZMADecompressor(memlimit=MEMORY)))


def _zstandard(packed: BufferedIOBase) -> BufferedIOBase:
    import pyarrow as pa  # takes a second, so only Zstandard files load it

    return BufferedReader(pa.CompressedInputStream(pa.PythonFile(ArrowSource(packed.read), "r"), "zstd"))


PACKINGS: dict[bytes, tuple[str, Callable[[BufferedIOBase], BufferedIOBase]]] = {
    b"\x1f\x8b": ("gzip", _gzip),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _zstandard),
    b"BZh": ("bzip2", _bzip2),
    b"\xfd7zXZ\x00": ("xz", _xz),
}
"""First bytes -> the name of the packing and the function that unpacks it."""


def find_packing(head: bytes) -> bytes | None:
    """Return the key in `PACKINGS` of a file that begins with these bytes; None if it is not packed."""
    return next((magic for magic in PACKINGS if head.startswith(magic)), None)

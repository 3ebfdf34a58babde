# SPDX-License-Identifier: Apache-2.0
"""Arrow files and streams, read a batch of records at a time. Rows are numbered from 1.

A file is read as the stream inside it, so it may be packed. Memory holds one batch, and one row of it as values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedIOBase
from typing import TYPE_CHECKING

from data.errors import BadInput
from data.formats.files.columnar import read_batch
from data.formats.files.opening import RATIO, UNPACKED
from data.formats.files.packing import BROKEN, ArrowSource
from data.formats.files.source import Source

if TYPE_CHECKING:
    pass

FILE, STREAM = b"ARROW1\0\0", b"\xff\xff\xff\xff"
FOOTER = b"ARROW1"
LARGEST = 512 << 20
"""Bytes that a batch of records may take in memory."""
DICTIONARY, RECORDS = 2, 3
"""Types of messages that hold values."""
HEADER_TYPE, HEADER, BODY = 1, 2, 3
"""Fields of a message: its type, its header, the length of its body."""
DATA, BUFFERS, COMPRESSION = 1, 2, 3
"""Fields of a header: the batch inside a dictionary; the buffers and the compression of a batch."""


def read_arrow_rows(stream: BufferedIOBase, source: Source) -> Iterator[tuple[int, dict, str]]:
    """Yield (number, row, problem) of every row of a stream or file.

    Raises BadInput with the number of the row from which on it cannot be read.
    """
    import pyarrow as pa  # takes a second, so only Arrow files load it

    number = 0
    try:
        checked = _CheckedStream(stream, source)
        with pa.ipc.open_stream(pa.PythonFile(ArrowSource(checked.read), "r")) as reader:
            for batch in reader:
                batch.validate(full=True)  # a damaged offset would read beyond the batch
                for row, problem in read_batch(batch, source):
                    number += 1
                    yield number, row, problem
    except BadInput as error:
        error.line = number + 1
        raise
    except (pa.ArrowException, ValueError, struct.error, *BROKEN) as error:
        what = str(error).partition("\n")[0].rstrip(".")[:160]
        raise BadInput.of("error.arrow_damaged", file=str(source), line=number + 1, what=what) from None


class _CheckedStream:
    """The bytes of a stream, a message at a time. It refuses a batch that unpacks to far too much."""

    def __init__(self, stream: BufferedIOBase, source: Source) -> None:
        self._stream, self._source = stream, source
        self._waiting = memoryview(b"")
        self._ended = False
        start = stream.read(len(FILE))
        self._bare = start != FILE
        if self._bare:
            self._waiting = self._message(start)

    def read(self, size: int) -> memoryview:
        """Return the next bytes, up to the end of a message."""
        if not self._waiting and not self._ended:
            self._waiting = self._message(self._stream.read(8))
        block, self._waiting = self._waiting[:size], self._waiting[size:]
        return block

    def _message(self, prefix: bytes) -> memoryview:
        """Return the message that begins with 8 bytes. Raises EOFError if it is cut, BadInput if it is too large."""
        mark, size = struct.unpack("<4si", prefix) if len(prefix) == 8 else (b"", 0)
        if mark != STREAM or not 0 <= size <= LARGEST:
            raise EOFError("a message is cut or of an old version")
        if not size:
            self._ended = True
            self._check_footer()
            return memoryview(prefix)
        metadata = self._read(size)
        message = _Table.root(metadata)
        length = message.number(BODY, "q")
        if not 0 <= length <= LARGEST:
            raise self._too_large(length)
        body = self._read(length)
        held = _unpacked_size(message, body)
        if held > min(LARGEST, max(UNPACKED, RATIO * length)):
            raise self._too_large(held)
        return memoryview(b"".join((prefix, metadata, body)))

    def _check_footer(self) -> None:
        """Read the rest of a file, which ends with its mark. Raises EOFError if it does not."""
        end = b""
        while not self._bare and (block := self._stream.read(1 << 16)):
            end = (end + block)[-len(FOOTER) :]
        if not self._bare and end != FOOTER:
            raise EOFError("its footer is cut")

    def _read(self, size: int) -> bytes:
        block = self._stream.read(size)
        if len(block) < size:
            raise EOFError("a message is cut")
        return block

    def _too_large(self, size: int) -> BadInput:
        return BadInput.of("error.arrow_batch", file=str(self._source), size=size, largest=LARGEST)


def _unpacked_size(message: _Table, body: bytes) -> int:
    """Return the bytes that the buffers of a batch take once they are unpacked."""
    kind = message.number(HEADER_TYPE, "B")
    if kind not in (DICTIONARY, RECORDS):
        return 0
    header = message.table(HEADER)
    batch = header.table(DATA) if kind == DICTIONARY and header else header
    if batch is None or batch.table(COMPRESSION) is None:
        return len(body)
    sizes = (struct.unpack_from("<q", body, offset)[0] if length >= 8 else 0 for offset, length in batch.pairs(BUFFERS))
    return sum(size for size in sizes if size > 0)


class _Table:
    """A table of a flatbuffer, as far as the sizes of a message need it. Raises struct.error for a damaged one."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """Return the table of the buffer."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def number(self, field: int, code: str) -> int:
        """Return a number; 0 if the field is absent."""
        place = self._find(field)
        return struct.unpack_from(f"<{code}", self._data, place)[0] if place else 0

    def table(self, field: int) -> _Table | None:
        """Return a table inside this one."""
        place = self._find(field)
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0]) if place else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a vector of pairs of numbers."""
        vector = self.table(field)
        if vector is None:
            return []
        count = struct.unpack_from("<I", self._data, vector._place)[0]
        block = self._data[vector._place + 4 : vector._place + 4 + 16 * count]
        return list(struct.iter_unpack("<qq", block))

    def _find(self, field: int) -> int:
        """Return the place of a field; 0 if it is absent."""
        listing = self._place - struct.unpack_from("<i", self._data, self._place)[0]
        if 4 + 2 * field >= struct.unpack_from("<H", self._data, listing)[0]:
            return 0
        offset = struct.unpack_from("<H", self._data, listing + 4 + 2 * field)[0]
        return self._place + offset if offset else 0

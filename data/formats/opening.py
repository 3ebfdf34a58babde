# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file, unpacked if it is gzipped. A file that cannot be read raises BadInput in one line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import BufferedIOBase
from pathlib import Path

from data.errors import BadInput

BROKEN = (EOFError, OSError, zlib.error)
"""Errors of a cut or damaged gzip file and of an unreadable disk."""


class Meter:
    """The progress of reading some files one after the other, by their bytes on disk."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._all = sum(path.stat().st_size for path in paths if path.is_file())
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
        return min(1.0, read / self._all) if read else None


@contextmanager
def open_bytes(path: Path, meter: Meter | None = None) -> Iterator[BufferedIOBase]:
    """Open a file for reading bytes, unpacked if it is gzipped; `meter` counts them.

    Raises BadInput for anything but a readable regular file.
    """
    if path.is_dir():
        raise BadInput("this is a folder, not a file", "Name a file inside it.", file=str(path))
    if not path.exists():
        raise BadInput("there is no such file", "Check the path.", file=str(path))
    if not path.is_file():
        raise BadInput("this is not a regular file", "Save the data to a file first.", file=str(path))
    try:
        packed = path.open("rb")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", "Check its permissions.", file=str(path)) from None
    with packed, meter.watching(packed) if meter else nullcontext():
        if packed.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(packed, "rb") as stream:
                yield stream
        else:
            yield packed


def make_read_error(path: Path, error: Exception, line: int | None = None) -> BadInput:
    """Return the error for a file that breaks off in the middle."""
    if isinstance(error, EOFError):
        return BadInput("the gzip file ends in the middle", "Fetch or pack it again.", file=str(path), line=line)
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return BadInput(f"the gzip file is damaged ({error})", "Fetch or pack it again.", file=str(path), line=line)
    return BadInput(f"cannot be read: {error}", "Check the disk.", file=str(path), line=line)

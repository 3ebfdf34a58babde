"""The bytes of a file, unpacked where it is gzipped, and one clear line where they cannot be had."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from data.errors import BadInput

BROKEN = (EOFError, OSError, zlib.error)  # how a cut or damaged gzip file and an unreadable disk show themselves


class Meter:
    """How much of some files has been read, by their bytes as they lie on the disk, while they are read one after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._all = sum(path.stat().st_size for path in paths if path.is_file())
        self._before, self._stream = 0, None

    @contextmanager
    def watching(self, stream: IO[bytes]) -> Iterator[None]:
        """Count what is read of this file."""
        self._stream = stream
        try:
            yield
        finally:
            self._before, self._stream = self._before + stream.tell(), None

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where nothing was watched."""
        read = self._before + (self._stream.tell() if self._stream else 0)
        return min(1.0, read / self._all) if read else None


@contextmanager
def open_bytes(path: Path, meter: Meter | None = None) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where they are gzipped; `meter` is told how far. Raises BadInput for what is no readable regular file."""
    if path.is_dir():
        raise BadInput("this is a folder, a file is needed", "Name a file inside it.", file=str(path))
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
    """The one line for a file that stops being readable on the way."""
    if isinstance(error, EOFError):
        return BadInput("the gzip file ends in the middle", "Fetch or pack it again.", file=str(path), line=line)
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return BadInput(f"the gzip file is damaged ({error})", "Fetch or pack it again.", file=str(path), line=line)
    return BadInput(f"cannot be read: {error}", "Check the disk.", file=str(path), line=line)

"""The bytes of a file, unpacked where it is gzipped, and one clear line where they cannot be had."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from data.errors import BadInput

BROKEN = (EOFError, OSError, zlib.error)  # how a cut or damaged gzip file and an unreadable disk show themselves


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where they are gzipped. Raises BadInput for what is no readable regular file."""
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
    with packed:
        if packed.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(packed, "rb") as stream:
                yield stream
        else:
            yield packed


def broken(path: Path, error: Exception, line: int | None = None) -> BadInput:
    """The one line for a file that stops being readable on the way."""
    if isinstance(error, EOFError):
        return BadInput("the gzip file ends in the middle", "Fetch or pack it again.", file=str(path), line=line)
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return BadInput(f"the gzip file is damaged ({error})", "Fetch or pack it again.", file=str(path), line=line)
    return BadInput(f"cannot be read: {error}", "Check the disk.", file=str(path), line=line)

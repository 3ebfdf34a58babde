"""Files that are whole or not there: written beside their place under another name, synced, then renamed.

A name that ends in .gz is gzipped; .json gives one array, any other name an object per line.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import BadInput


@contextmanager
def whole_file(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A path to write to, which becomes `out` when the block ends well and is gone when it does not.

    Raises BadInput where `out` exists (without `force`) or cannot be written.
    """
    _free(out, force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(out, error) from None
    part = Path(name)
    try:
        yield part
        _sync(part)
        part.chmod(0o666 & ~_umask())
        os.replace(part, out)
        _sync(out.parent)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """The same for a folder: files put into the one yielded appear together under `out`."""
    _free(out, force)
    if out.exists() and not out.is_dir():
        raise BadInput("a file has this name already", "Name a folder.", file=str(out))
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        yield part
        for path in sorted(part.rglob("*")):
            _sync(path)
        part.chmod(0o777 & ~_umask())
        if out.exists():
            shutil.rmtree(out)
        os.replace(part, out)
        _sync(out.parent)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_rows(out: Path, rows: Iterable[dict], *, force: bool = False) -> int:
    """The rows as a file; the number of them."""
    array = out.name.removesuffix(".gz").endswith(".json")
    before, between, after = ("[\n", ",\n", "\n]\n") if array else ("", "\n", "\n")
    count = 0
    opening = gzip.open if out.name.endswith(".gz") else open
    with whole_file(out, force=force) as part, opening(part, "wt", encoding="utf-8", newline="\n") as stream:
        for count, row in enumerate(rows, start=1):
            stream.write((before if count == 1 else between) + _json(row))
        if not count:
            raise BadInput("there are no rows to write", "Import or label some first.", file=str(out))
        stream.write(after)
    return count


def _json(row: dict) -> str:
    """One line; escaped to ASCII where a rejected row holds what UTF-8 cannot say."""
    text = json.dumps(row, ensure_ascii=False)
    return text if text.isascii() or _encodes(text) else json.dumps(row)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _free(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise BadInput("this exists already", "Name another file, or replace it with --force.", file=str(out))
    if not out.parent.is_dir():
        raise BadInput(f"there is no folder {str(out.parent)!r}", "Make it, or name another place.", file=str(out))


def _unwritable(out: Path, error: OSError) -> BadInput:
    return BadInput(f"cannot be written: {error.strerror or error}", "Check the folder's permissions and space.", file=str(out))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's mask: temporary files are private, what replaces them must be as any new file."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

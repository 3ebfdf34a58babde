# SPDX-License-Identifier: Apache-2.0
"""Atomic files: each is written next to its place under another name, synced, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from data.errors import BadInput, StoreTrouble
from data.formats.export.tables import Columns, Write, open_table
from data.sqlite.disk_full import is_disk_full

DEFAULT_SPLIT = "train"
"""The split of rows without one."""


@contextmanager
def atomic_file(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a path to write to. It becomes `out` if the block succeeds, and is deleted if it fails.

    Raises BadInput if `out` exists (without `force`) or cannot be written.
    """
    _free(out, force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        os.close(handle)
    except OSError as error:
        raise make_write_error(out, error) from None
    part = Path(name)
    try:
        yield part
        sync(part)
        part.chmod(0o666 & ~_umask())
        os.replace(part, out)
        sync(out.parent)
    except OSError as error:
        raise make_write_error(out, error) from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a folder to write to. It becomes `out` if the block succeeds, and is deleted if it fails.

    Raises BadInput as `atomic_file`, and if `out` is a file.
    """
    _free(out, force)
    if out.exists() and not out.is_dir():
        raise BadInput("a file has this name", "Name a folder.", file=str(out))
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise make_write_error(out, error) from None
    try:
        yield part
        for path in sorted(part.rglob("*")):
            sync(path)
        part.chmod(0o777 & ~_umask())
        if out.exists():
            shutil.rmtree(out)
        os.replace(part, out)
        sync(out.parent)
    except OSError as error:
        raise make_write_error(out, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_rows(out: Path, rows: Iterable[dict], *, columns: Columns | None = None, force: bool = False) -> int:
    """Write the rows to a file of the kind that its name says (`data.formats.export.tables`); return their number."""
    count = 0
    with atomic_file(out, force=force) as part:
        with open_table(part, out.name, columns or {}) as write:
            for row in rows:
                write(row)
                count += 1
        if not count:
            raise BadInput.of("error.no_rows_to_write", file=str(out))
    return count


def write_splits(
    out: Path,
    rows: Iterable[dict],
    kind: str,
    *,
    columns: Columns,
    documents: Callable[[Path, Mapping[str, int]], Mapping[str, str]],
    force: bool,
) -> dict:
    """Write a folder with a file for each `split` ("train" for rows without one) and documents about them.

    Returns {split: rows}. `documents`, of the folder with these files and the same numbers, returns {name: text}.
    Raises BadInput if there are no rows.
    """
    counts: dict[str, int] = {}
    with atomic_folder(out, force=force) as part:
        with ExitStack() as stack:
            writers: dict[str, Write] = {}
            for row in rows:
                split = row.get("split") or DEFAULT_SPLIT
                if split not in writers:
                    name = f"{split}.{kind}"
                    writers[split] = stack.enter_context(open_table(part / name, name, columns))
                writers[split](row)
                counts[split] = counts.get(split, 0) + 1
        if not counts:
            raise BadInput.of("error.no_rows_to_write", file=str(out))
        for name, text in documents(part, counts).items():
            (part / name).write_text(text, encoding="utf-8")
    return counts


def _free(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise BadInput("this file or folder exists", "Use another name, or replace it with --force.", file=str(out))
    if not out.parent.is_dir():
        raise BadInput(f"there is no folder {str(out.parent)!r}", "Create it, or choose another one.", file=str(out))


def make_write_error(out: Path, error: OSError) -> StoreTrouble:
    """Return the error for an `out` that cannot be written, with its remedy."""
    if is_disk_full(error):
        return StoreTrouble.of("error.disk_full", file=str(out))
    return StoreTrouble.of("error.not_written", file=str(out), reason=error.strerror or error)


def sync(path: Path) -> None:
    """Write a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the mask of the process. Temporary files are private; their replacements have the usual mode."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

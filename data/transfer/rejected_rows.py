# SPDX-License-Identifier: Apache-2.0
"""Rejected rows: a file in the home with the bad rows of an import, their line and reason. Never beside the source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from data.formats.writing import write_rows
from data.store import Store
from data.transfer.checked_rows import ImportFile, Reading, check_rows

FOLDER = "rejected"
LONGEST_NAME = 100  # characters; file systems allow 255 bytes


def write_rejected(store: Store, files: Sequence[ImportFile], reading: Reading, out: bool | Path) -> Path | None:
    """Write the bad rows of all files, each with its file, line and reason; return the path. None without bad rows.

    Without a path in `out` the file lies in the home, under the name of the first file with bad rows.
    """
    rows = _rejected(files, reading)
    first = next(rows, None)
    if first is None:
        return None
    if isinstance(out, bool):
        folder = store.home / FOLDER
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^\w .()-]", "_", first["file"].replace("\\", "/").rpartition("/")[2])[-LONGEST_NAME:]
        out = folder / f"{name or 'upload'}.rejected.jsonl"
    write_rows(out.expanduser(), chain((first,), rows), force=True)
    return out


def _rejected(files: Sequence[ImportFile], reading: Reading) -> Iterator[dict]:
    for file in files:
        for checked in check_rows(file, reading):
            if checked.reason:
                yield {"file": file.name, "line": checked.line, "reason": checked.reason, "row": checked.row}

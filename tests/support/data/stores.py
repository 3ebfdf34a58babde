# SPDX-License-Identifier: Apache-2.0
"""Fresh stores without a wait for their migrations, which take longer than most tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from data.store import FILE, Store


def new_store(home: Path) -> Store:
    """Open a home's store; if there is none, put a copy of a migrated, empty one there first."""
    if not (home / FILE).exists():
        home.mkdir(parents=True, exist_ok=True)
        for name, content in _empty_home().items():
            (home / name).write_bytes(content)
    return Store(home)


@cache
def _empty_home() -> dict[str, bytes]:
    """Return the files of a home that `Store` made and migrated."""
    with TemporaryDirectory() as folder:
        Store(folder).close()
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}

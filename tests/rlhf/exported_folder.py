# SPDX-License-Identifier: Apache-2.0
"""Checks of exported model folders."""

from __future__ import annotations

from pathlib import Path


def names_no_path_of(folder: Path, machine: Path) -> bool:
    """Return whether no text file in the folder names a path below `machine`."""
    texts = [path for path in folder.rglob("*") if path.suffix in (".json", ".md", ".jinja", ".txt")]
    return bool(texts) and not any(str(machine) in path.read_text(encoding="utf-8") for path in texts)

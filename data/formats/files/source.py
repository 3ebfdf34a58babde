# SPDX-License-Identifier: Apache-2.0
"""Sources of rows: a file, or a member of a zip archive. A source collects notes about its reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from zipfile import ZipInfo

PACKED = (".gz", ".zst", ".bz2", ".xz")
"""Endings of packed files. Only names are cut by them; the content decides how a file is read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a member of a zip archive. `encoding` names the encoding of its text; empty detects it.

    `info` is the member's entry in the listing. `notes` collects what a reader decided that the rows do not show, such
    as the encoding, in the order of its keys.
    """

    path: Path
    info: ZipInfo | None = None
    encoding: str = ""
    notes: dict[str, None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, path: Path | Source) -> Source:
        """Return the source itself, or the source of a path."""
        return path if isinstance(path, Source) else cls(path)

    @property
    def member(self) -> str:
        """Return the name of the archive's member; empty for a file."""
        return self.info.filename if self.info else ""

    @property
    def name(self) -> str:
        """Return the name without folders and without the endings of packed files."""
        return unpacked_name(PurePath(self.member).name if self.member else self.path.name)

    def note(self, text: str) -> None:
        """Add a note once."""
        self.notes[text] = None

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)


def unpacked_name(name: str) -> str:
    """Return the name of a file without the endings of packed files."""
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name

# SPDX-License-Identifier: Apache-2.0
"""The base of an exported adapter: the hub id of a hub model, or a copy beside the adapter of a local one."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from data.starter import SOURCE
from data.transfer.hub import downloaded_folder
from reward.about import MERGED, PACKED
from reward.base.locate import locate

SUFFIXES = (".json", ".safetensors", ".jinja", ".model", ".txt", ".md")
"""Endings of the files of a model and its tokenizer."""
LICENCES = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
LICENSE_LINE = re.compile(r"\A---\n(?:.*\n)*?license:\s*[\"']?([\w.-]+)")
"""The licence in the YAML header of a model card."""


@dataclass(frozen=True, slots=True)
class ExportedBase:
    """A base as an exported folder names it: its hub id, PACKED, or MERGED for a local one inside a whole model.

    `bytes` are those of the copy, 0 without one.
    """

    reference: str
    licence: str | None
    bytes: int = 0

    @property
    def note(self) -> str:
        """Return the sentence about the copy; empty without one."""
        if not self.bytes:
            return ""
        return f"the base has no hub id: a copy is in the folder base ({self.bytes / 1e6:,.1f} MB)"


def name_base(source: str) -> ExportedBase:
    """Return the base of a whole model. Raises BadInput if it is missing."""
    place = locate(source)
    return ExportedBase(MERGED if Path(place).is_dir() else place, find_licence(source))


def export_base(source: str, folder: Path) -> ExportedBase:
    """Return the base for an adapter in `folder`; copy a local one there. Raises BadInput if it is missing."""
    base, place = name_base(source), locate(source)
    if base.reference != MERGED:
        return base
    target = folder / PACKED
    target.mkdir()
    for file in sorted(Path(place).iterdir()):
        if file.is_file() and (file.suffix in SUFFIXES or file.name.startswith(LICENCES)):
            shutil.copyfile(file, target / file.name)
    return ExportedBase(PACKED, base.licence, sum(file.stat().st_size for file in target.iterdir()))


def find_licence(source: str) -> str | None:
    """Return the licence that the card of a base names, None if there is no card or no licence in it."""
    if source == SOURCE:
        return "apache-2.0"
    place = locate(source)
    folder = Path(place) if Path(place).is_dir() else downloaded_folder(place)
    card = folder / "README.md" if folder else None
    if card is None or not card.is_file():
        return None
    named = LICENSE_LINE.search(card.read_text(encoding="utf-8", errors="replace"))
    return named[1] if named else None

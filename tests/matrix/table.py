# SPDX-License-Identifier: Apache-2.0
"""The table in docs/models.md: a row per family, a column per verb, and the reasons of what does not work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.matrix.verbs import VERBS, Cell
from tests.support import ROOT

DOCUMENT = ROOT / "docs" / "models.md"
START, END = "<!-- matrix: python -m tests.matrix --write -->", "<!-- end of matrix -->"
WORDS = {"works": "yes", "refused": "refused", "failed": "no"}


def draw_table(rows: Mapping[str, Mapping[str, Cell]]) -> str:
    """Return the table, and a list of reasons."""
    lines = [f"| family | {' | '.join(VERBS)} |", f"| --- |{' --- |' * len(VERBS)}"]
    lines += [
        f"| {title} | {' | '.join(WORDS[cells[verb].state] for verb in VERBS)} |" for title, cells in rows.items()
    ]
    reasons = [
        f"| {title} | {verb} | {cell.detail.replace('|', chr(92) + '|')} |"
        for title, cells in rows.items()
        for verb, cell in cells.items()
        if cell.detail
    ]
    if reasons:
        lines += ["", "| family | verb | reason |", "| --- | --- | --- |", *reasons]
    return "\n".join(lines)


def write_table(rows: Mapping[str, Mapping[str, Cell]], document: Path = DOCUMENT) -> None:
    """Replace the table between the two marks of the document."""
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(START)
    document.write_text(f"{before}{START}\n\n{draw_table(rows)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0
"""Metadata of a preference row: margin, source, labeler, models. Every format shares these keys."""

from __future__ import annotations

from typing import TypedDict

from data.formats.rows.fields import check_finite, check_text, read_optional_text
from data.formats.shapes import CLEARLY, MARGINS

LONGEST_NAME = 80


class Metadata(TypedDict):
    """The arguments of `PreferenceShape` that are not its texts."""

    margin: int
    labeler: str
    source: str
    chosen_model: str | None
    rejected_model: str | None


def read_metadata(row: dict) -> Metadata:
    """Return keyword arguments for `PreferenceShape`. Simulated labels stay simulated.

    A margin other than 1, 2 or 3 is on another scale and is ignored. Raises BadRow for one that is no finite number.
    """
    margin = row.get("margin")
    check_finite(margin, "margin")
    on_scale = isinstance(margin, (int, float)) and not isinstance(margin, bool) and margin in MARGINS
    return {
        "margin": int(margin or CLEARLY) if on_scale else CLEARLY,
        "labeler": read_labeler(row, "labeler"),
        "source": read_source(row),
        "chosen_model": read_optional_text(row, "chosen_model"),
        "rejected_model": read_optional_text(row, "rejected_model"),
    }


def read_labeler(row: dict, key: str) -> str:
    """Return the labeler's name in the file; empty if the row has none."""
    return check_text(str(row.get(key) or ""), key, blank=True)[:LONGEST_NAME].strip()


def read_source(row: dict) -> str:
    """Return 'simulated' for labels that the file marks so, else 'import'."""
    return "simulated" if row.get("source") == "simulated" else "import"

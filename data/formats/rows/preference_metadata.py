"""What a preference row may state beside its texts: margin, origin, labeler, models. Every format shares these keys."""

from __future__ import annotations

from data.formats.rows.fields import check_text, read_optional_text
from data.formats.shapes import CLEARLY, MARGINS

LONGEST_NAME = 80


def read_metadata(row: dict) -> dict:
    """Keyword arguments for `PreferenceShape`. A label that a file marks as simulated stays simulated.

    A margin other than 1, 2 or 3 belongs to another scale and says nothing on this one.
    """
    margin = row.get("margin")
    known = isinstance(margin, (int, float)) and not isinstance(margin, bool) and margin in MARGINS
    return {
        "margin": int(margin) if known else CLEARLY,
        "labeler": read_labeler(row, "labeler"),
        "source": read_source(row),
        "chosen_model": read_optional_text(row, "chosen_model"),
        "rejected_model": read_optional_text(row, "rejected_model"),
    }


def read_labeler(row: dict, key: str) -> str:
    """What the file calls the one who said it; empty where it does not."""
    return check_text(str(row.get(key) or ""), key, blank=True)[:LONGEST_NAME].strip()


def read_source(row: dict) -> str:
    """Where the label comes from: simulated ones stay simulated, whatever file they are in."""
    return "simulated" if row.get("source") == "simulated" else "import"

"""What a preference row may state beside its texts: margin, origin, labeler, models. Every format shares these keys."""

from __future__ import annotations

from data.formats.fields import checked_text, optional_text
from data.formats.shapes import CLEARLY, MARGINS

LONGEST_NAME = 80


def stated(row: dict) -> dict:
    """Keyword arguments for `PreferenceShape`. A label that a file marks as simulated stays simulated.

    A margin other than 1, 2 or 3 belongs to another scale and says nothing on this one.
    """
    margin = row.get("margin")
    known = isinstance(margin, (int, float)) and not isinstance(margin, bool) and margin in MARGINS
    return {
        "margin": int(margin) if known else CLEARLY,
        "labeler": labeler(row, "labeler"),
        "source": source(row),
        "chosen_model": optional_text(row, "chosen_model"),
        "rejected_model": optional_text(row, "rejected_model"),
    }


def labeler(row: dict, key: str) -> str:
    """What the file calls the one who said it; empty where it does not."""
    return checked_text(str(row.get(key) or ""), key, blank=True)[:LONGEST_NAME].strip()


def source(row: dict) -> str:
    """Where the label comes from: simulated ones stay simulated, whatever file they are in."""
    return "simulated" if row.get("source") == "simulated" else "import"

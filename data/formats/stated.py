"""What a preference row may state beside its texts: margin, origin, models. Every format shares these keys."""

from __future__ import annotations

from data.formats.fields import checked_text, optional_text
from data.formats.shapes import CLEARLY, MARGINS


def stated(row: dict) -> dict:
    """Keyword arguments for `PreferenceShape`. A label that a file marks as simulated stays simulated.

    A margin other than 1, 2 or 3 belongs to another scale and says nothing on this one.
    """
    margin = row.get("margin")
    known = isinstance(margin, (int, float)) and not isinstance(margin, bool) and margin in MARGINS
    return {
        "margin": int(margin) if known else CLEARLY,
        "labeler": checked_text(str(row.get("labeler") or ""), "labeler", blank=True)[:80],
        "source": "simulated" if row.get("source") == "simulated" else "import",
        "chosen_model": optional_text(row, "chosen_model"),
        "rejected_model": optional_text(row, "rejected_model"),
    }

# SPDX-License-Identifier: Apache-2.0
"""The verdicts, in the order of their keys, each with the winning side and the margin; and the sources of labels."""

from __future__ import annotations

VERDICTS = (
    "left_much",
    "left",
    "left_slightly",
    "tie",
    "right_slightly",
    "right",
    "right_much",
    "both_bad",
)
WITHDRAWN = "withdrawn"
MARGINS = {"much": 3, "": 2, "slightly": 1}
SOURCES = ("person", "import", "simulated", "ai")
"""The sources of labels: people here, imported files, simulated labelers, and models that judge (AI labelers)."""
MACHINES = ("simulated", "ai")
"""Sources that are never mixed with people's unless they are named."""
FEWEST_RANKED, MOST_RANKED = 3, 9
RANKING_MARGIN = 2  # a ranking does not say by how much one answer is better
EDIT_MARGIN = 1  # an edit is at least slightly better than the answer that it was made from


def outcome(verdict: str) -> tuple[str | None, int]:
    """Return the winning side ('left', 'right' or None) and the margin.

    Significantly 3, clearly 2, slightly 1, no winner 0.
    """
    side, _, strength = verdict.partition("_")
    if side not in ("left", "right"):
        return None, 0
    return side, MARGINS[strength]

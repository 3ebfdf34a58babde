# SPDX-License-Identifier: Apache-2.0
"""Reasons for which comparisons are left out of a training, and their counts as text. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping

from labeling.texts.pages import text

EQUAL, EQUAL_AFTER_CUT = "with answers that are equal for this tokenizer", "with answers that are equal after the cut"
TOO_LONG = "with a prompt that cannot be shortened to the context"
TEXTS = {
    EQUAL: "reward.left_out_equal",
    EQUAL_AFTER_CUT: "reward.left_out_equal_after_cut",
    TOO_LONG: "reward.left_out_too_long",
}
"""The text of each reason. A template's own reason has none."""


def left_out_text(counts: Mapping[str, int] | None) -> str | None:
    """Return the counts of a report by reason, in the reader's language; None if there are none."""
    reasons = {why: text(TEXTS[why]) if why in TEXTS else why for why in counts or {}}
    return (
        "; ".join(text("reward.left_out", n=count, reason=reasons[why]) for why, count in (counts or {}).items())
        or None
    )

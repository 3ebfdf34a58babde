# SPDX-License-Identifier: Apache-2.0
"""Parts of the training prompts, so that two reward models can learn from labels that have no prompt in common.

A part is written "0-0.5": every prompt has a place in [0, 1) by the hash of its text, and belongs to the part that
holds its place.
"""

from __future__ import annotations

import hashlib
import re

from data.errors import BadInput
from data.records import RewardModel
from data.splits import normalise
from data.store import Store

ALL = "0-1"
_PART = re.compile(r"(\d*\.?\d+)-(\d*\.?\d+)")


def position_of(prompt: str) -> float:
    """Return a number in [0, 1) from the normalised text.

    Digits 8 to 15 of the hash whose first 8 decide the split.
    """
    digest = hashlib.sha256(normalise(prompt).encode("utf-8", "surrogatepass")).hexdigest()
    return int(digest[8:16], 16) / 16**8


def parse_part(text: str) -> tuple[float, float]:
    """Return the limits of a part. Raises BadInput for an invalid text."""
    found = _PART.fullmatch(text.strip())
    low, high = map(float, found.groups()) if found else (1.0, 0.0)
    if not 0 <= low < high <= 1:
        raise BadInput(
            f"part={text!r} is no part of the prompts", "Write it as 0-0.5, 0.5-1 or the like.", field="part"
        )
    return low, high


def is_in_part(prompt: str, part: str) -> bool:
    """Return whether a prompt belongs to a part."""
    low, high = parse_part(part)
    return low <= position_of(prompt) < high


def trained_comparison_ids(store: Store, model: RewardModel) -> set[str]:
    """Ids of the comparisons that a reward model learned from; none where its snapshot is not in this home."""
    if model.snapshot_id is None:
        return set()
    part = model.config.get("part", ALL)
    rows = store.snapshots.rows(model.snapshot_id)
    return {row["comparison_id"] for row in rows if row["split"] == "train" and is_in_part(row["prompt"], part)}

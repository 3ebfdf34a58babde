# SPDX-License-Identifier: Apache-2.0
"""Parts of the training prompts: two reward models trained on disjoint parts share no prompt.

A part is written "0-0.5". The hash of a prompt's text gives it a position in [0, 1), and it belongs to the parts that
contain this position.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from data.records import RewardModel
from data.splits import normalise
from labeling.texts.pages import bad_input

if TYPE_CHECKING:
    from data.store import Store  # it takes a second to import, and settings stand in every help

ALL = "0-1"
DRIVER_PART, GUARD_PART = "0-0.8", "0.8-1"
"""The parts of a driver and of the guard that one training makes."""
_COUNTS: WeakKeyDictionary[Store, dict[tuple[tuple[int | None, str], ...], int]] = WeakKeyDictionary()
"""Counts of shared comparisons, as snapshots never change and forms ask again and again."""
_PART = re.compile(r"(\d*\.?\d+)-(\d*\.?\d+)")


def position_of(prompt: str) -> float:
    """Return a prompt's position in [0, 1): digits 8 to 15 of the hash of its normalised text.

    The first 8 digits of the same hash decide the split, so that part and split are independent.
    """
    digest = hashlib.sha256(normalise(prompt).encode("utf-8", "surrogatepass")).hexdigest()
    return int(digest[8:16], 16) / 16**8


def parse_part(text: str) -> tuple[float, float]:
    """Return the limits of a part. Raises BadInput for an invalid text."""
    match = _PART.fullmatch(text.strip())
    low, high = map(float, match.groups()) if match else (1.0, 0.0)
    if not 0 <= low < high <= 1:
        raise bad_input("refused.part", field="part", text=text)
    return low, high


def is_in_part(prompt: str, part: str) -> bool:
    """Return whether a prompt belongs to a part."""
    low, high = parse_part(part)
    return low <= position_of(prompt) < high


def are_disjoint(part: str, other: str) -> bool:
    """Return whether no prompt belongs to both parts."""
    (low, high), (other_low, other_high) = parse_part(part), parse_part(other)
    return high <= other_low or other_high <= low


def count_shared(store: Store, model: RewardModel, other: RewardModel) -> int:
    """Count the comparisons that trained both reward models. Models of disjoint parts share none, unread."""
    learned = [(each.snapshot_id, each.config.get("part", ALL)) for each in (model, other)]
    if are_disjoint(learned[0][1], learned[1][1]):
        return 0
    counts = _COUNTS.setdefault(store, {})
    if (key := tuple(learned)) not in counts:
        counts[key] = len(trained_comparison_ids(store, model) & trained_comparison_ids(store, other))
    return counts[key]


def trained_comparison_ids(store: Store, model: RewardModel) -> set[str]:
    """Return the ids of the comparisons that a reward model was trained on; none if it names no snapshot."""
    if model.snapshot_id is None:
        return set()
    part = model.config.get("part", ALL)
    rows = store.snapshots.rows(model.snapshot_id)
    return {row["comparison_id"] for row in rows if row["split"] == "train" and is_in_part(row["prompt"], part)}

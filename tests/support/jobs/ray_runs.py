# SPDX-License-Identifier: Apache-2.0
"""Runs that go to Ray."""

from __future__ import annotations

from data.settings import as_dict
from rlhf.settings import SFTSettings


def enqueue(store, **more) -> int:
    """Queue a run for Ray, and return its number."""
    settings = as_dict(SFTSettings(max_steps=6, judge_pairs=0, launcher="ray", from_="p1"))
    return store.runs.enqueue("sft", settings | more, "rae").id

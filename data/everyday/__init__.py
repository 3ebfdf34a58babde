# SPDX-License-Identifier: Apache-2.0
"""Everyday prompts: 60 short questions and requests in plain English for a first look at a model that a user brings.

The starter's prompts name people and things of an invented world that only its own models know. Another model's answers
to them say nothing about it. These prompts ask for what people ask for: notes, meals, sums, explanations, small poems.
"""

from __future__ import annotations

import json
from pathlib import Path

from data.store import Store

PROMPTS = Path(__file__).parent / "prompts.jsonl"
SOURCE = "everyday"


def add_prompts(store: Store) -> None:
    """Add the prompts to a store. Idempotent."""
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    store.prompts.add_many({"text": json.loads(line)["prompt"], "source": SOURCE} for line in lines)

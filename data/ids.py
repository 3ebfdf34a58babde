# SPDX-License-Identifier: Apache-2.0
"""Ids: public ones as people read them (`p4`, `r3`, `run17`) and content hashes that make writes idempotent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from data.errors import BadInput

POLICY, REWARD_MODEL, RUN, SNAPSHOT = "p", "r", "run", "s"
CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
"""One encoder for all: `json.dumps` makes one for each call, which takes longer than a short row."""
NOUNS = {POLICY: "policy", REWARD_MODEL: "reward model", RUN: "run", SNAPSHOT: "snapshot"}


def public_id(prefix: str, number: int) -> str:
    """Return the id that people read: ("p", 4) gives "p4"."""
    return f"{prefix}{number}"


def parse_id(text: str | int, prefix: str) -> int:
    """Return the number of an id: ("p4", "p") gives 4, as do 4 and "4". Raises BadInput for anything else."""
    match = re.fullmatch(rf"(?:{prefix})?(\d{{1,18}})", str(text).strip())
    if match is None:
        raise BadInput.of(f"error.not_{NOUNS[prefix].replace(' ', '_')}", given=str(text), prefix=prefix)
    return int(match[1])


def parse_number(text: object) -> int | None:
    """Return the whole number that a person sent as text; None for anything else, and for more than 18 digits.

    SQLite's integers have 64 bits.
    """
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,18}", text) else None


def canonical_json(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Return JSON in one canonical form: equal values give equal text and equal hashes."""
    return CANONICAL.encode(value)


def content_hash(*parts: Any) -> str:  # noqa: ANN401 (the values of columns and fields have many types)
    """Return the sha256 of the parts' canonical JSON as 64 hex digits."""
    return hashlib.sha256(canonical_json(parts).encode("utf-8", "surrogatepass")).hexdigest()


def sampled_id(
    prompt_id: int, policy_id: int, sampling: dict, seed: int | None, number: int, token_ids: Sequence[int]
) -> str:
    """Return a sampled completion's id: the hash of everything that identifies it.

    Equal texts of two policies have different ids.
    """
    return content_hash("sampled", prompt_id, policy_id, sampling, seed, number, list(token_ids))[:32]


def imported_id(prompt_id: int, model_name: str, text: str, occurrence: int) -> str:
    """Return an imported completion's id: the hash of its prompt, model name and text.

    `occurrence` tells repeated texts apart.
    """
    return content_hash("imported", prompt_id, model_name, text, occurrence)[:32]

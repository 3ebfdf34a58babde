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
NOUNS = {POLICY: "policy", REWARD_MODEL: "reward model", RUN: "run", SNAPSHOT: "snapshot"}


def public_id(prefix: str, number: int) -> str:
    """("p", 4) -> "p4"."""
    return f"{prefix}{number}"


def parse_id(text: str | int, prefix: str) -> int:
    """("p4", "p") -> 4; a bare 4 or "4" is taken as well. Raises BadInput that quotes anything else."""
    match = re.fullmatch(rf"(?:{prefix})?(\d{{1,18}})", str(text).strip())
    if match is None:
        noun = NOUNS[prefix]
        raise BadInput(f"{str(text)!r} is not the id of a {noun}", f"Give an id such as {prefix}4.")
    return int(match[1])


def canonical_json(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """JSON in one canonical form: equal values give equal text, and so equal hashes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def content_hash(*parts: Any) -> str:  # noqa: ANN401 (the values of columns and fields have many types)
    """64 hex digits of the sha256 of the parts' canonical JSON."""
    return hashlib.sha256(canonical_json(parts).encode("utf-8", "surrogatepass")).hexdigest()


def sampled_id(
    prompt_id: int, policy_id: int, sampling: dict, seed: int | None, number: int, token_ids: Sequence[int]
) -> str:
    """Return a sampled completion's id.

    Everything that tells it from another one, so that equal texts of two policies stay two.
    """
    return content_hash("sampled", prompt_id, policy_id, sampling, seed, number, list(token_ids))[:32]


def imported_id(prompt_id: int, model_name: str, text: str, occurrence: int) -> str:
    """Return an imported completion's id.

    Its prompt, its model's name, its text, and which occurrence of these it is.
    """
    return content_hash("imported", prompt_id, model_name, text, occurrence)[:32]

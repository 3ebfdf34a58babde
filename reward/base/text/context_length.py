# SPDX-License-Identifier: Apache-2.0
"""The context of a model in tokens, read from its config or its tokenizer. Importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from reward.model_shape import CONTEXT_NAMES

TOKENIZER_NAME = "model_max_length"
LARGEST = 10**7
"""A larger number states no limit: transformers writes 10^30 for a tokenizer without one."""
ASSUMED = 2048
"""The context of a model that states none, such as BLOOM or Mamba."""


class ContextLength(NamedTuple):
    """A context in tokens, and the name under which it is stated; empty if it is assumed."""

    tokens: int
    source: str


def stated_context(config: Callable[[str], Any], tokenizer_limit: object = None) -> ContextLength | None:
    """Return the first context that the config states, else the tokenizer's limit; None if neither states one.

    `config` returns the value under a name, or None.
    """
    values = [(name, config(name)) for name in CONTEXT_NAMES] + [(TOKENIZER_NAME, tokenizer_limit)]
    return next((ContextLength(int(value), name) for name, value in values if _is_limit(value)), None)


def _is_limit(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < LARGEST

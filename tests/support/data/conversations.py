# SPDX-License-Identifier: Apache-2.0
"""Prompts and turns that the tests of the formats share."""

from __future__ import annotations

from data.formats.shapes import PromptShape

ASKED = PromptShape("Name a colour.")
TURNS = [
    {"role": "user", "content": "Name a colour."},
    {"role": "assistant", "content": "Red."},
    {"role": "user", "content": "Another."},
]
SHARED = [{"from": "human", "value": "Name a colour."}, {"from": "gpt", "value": "Blue."}]


def assistant_turn(text: str) -> list[dict]:
    return [{"role": "assistant", "content": text}]

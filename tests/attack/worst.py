# SPDX-License-Identifier: Apache-2.0
"""Texts that cost a formatter most: what a model repeats when it has gone wrong, and what breaks layouts."""

from __future__ import annotations

LENGTH = 28_000
UNITS = (
    "![",
    "[",
    "[a](",
    "*a **b ",
    "> ",
    "- a\n  ",
    "`",
    "``` a\n",
    "|a" * 50 + "\n",
    "$x^{",
    "\\frac{",
    "<div ",
    "&#x1F600;",
    "\u202e",
    "a\u0301",
    "\u200d",
    "#" * 6 + " a\n",
    "~~a",
    "http://a.b/",
    "<!--",
)
WORST = tuple((unit * (LENGTH // len(unit) + 1))[:LENGTH] for unit in UNITS)
"""One text of 28,000 characters per unit."""


def worst_text(number: int) -> str:
    """Return the worst text of that number; no two are equal."""
    return f"{number} {WORST[number % len(WORST)]}"

# SPDX-License-Identifier: Apache-2.0
"""The budget of rendering one text, in steps of the parser: the same text always has the same result."""

from __future__ import annotations

STEPS = 60_000
"""Steps per text: at most 0.35 seconds of one core. A text of 30,000 ordinary characters takes up to 40,000."""
LONGEST_HTML = 200_000
"""Characters of HTML per text."""


class TooComplex(Exception):
    """The text exceeds the budget; the page shows it as plain text."""


class Budget:
    """The remaining steps of one text."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Use up steps. Raises TooComplex if none are left."""
        self.left -= steps
        if self.left < 0:
            raise TooComplex

# SPDX-License-Identifier: Apache-2.0
"""The switch between light, dark and the system's colours, for all pages. Without scripts it is hidden."""

from __future__ import annotations

from pathlib import Path

from labeling.texts.translate import say

SCRIPT = (Path(__file__).parent / "color_scheme.js").read_text(encoding="utf-8")
"""Apply the choice that the browser keeps, and bring the switch to life. Every page needs it."""
SCHEMES = ("system", "light", "dark")


def color_scheme_switch(language: str) -> str:
    """Return the switch as HTML."""
    options = "".join(f"<option value={scheme}>{say(language, f'scheme_{scheme}')}</option>" for scheme in SCHEMES)
    return f"<color-scheme hidden><select aria-label='{say(language, 'scheme')}'>{options}</select></color-scheme>"

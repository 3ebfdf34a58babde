# SPDX-License-Identifier: Apache-2.0
"""The passes of a LoRA training as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.texts.pages import text


def passes_text(method: Mapping[str, Any]) -> str | None:
    """Return the best pass of each member and its loss; the number of passes if nothing chose one."""
    measured = method.get("validation")
    if not measured:
        return f"{method['passes']:,}" if "passes" in method else None
    return "; ".join(
        text(
            "reward.kept_pass",
            kept=1 + losses.index(min(losses)),
            made=len(losses),
            n=measured["comparisons"],
            loss=f"{min(losses):.3f}",
            last=f"{losses[-1]:.3f}",
        )
        for losses in measured["losses"]
    )

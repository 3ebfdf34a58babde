# SPDX-License-Identifier: Apache-2.0
"""Refuse adapters that training cannot continue from, before a run starts. Importable without torch."""

from __future__ import annotations

import json
from pathlib import Path

from data.errors import BadInput


def check_stackable(folder: Path, public: str) -> None:
    """Raise BadInput if the adapter of policy `public` cannot be stacked with another one, because it is DoRA."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"cannot read the adapter of {public}: {problem}", "Restore it from a backup.") from None
    if config.get("use_dora"):
        raise BadInput(
            f"the adapter of {public} is DoRA, which no second adapter can be added to",
            f"Merge it into its base first: preference-loop policies merge {public}",
            field="from",
        )

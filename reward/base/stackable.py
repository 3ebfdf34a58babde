# SPDX-License-Identifier: Apache-2.0
"""Refuse adapters that training cannot continue from, before a run starts. Importable without torch."""

from __future__ import annotations

import json
from pathlib import Path

from labeling.texts.pages import bad_input


def check_stackable(folder: Path, public: str) -> None:
    """Raise BadInput if the adapter of policy `public` cannot be stacked with another one, because it is DoRA."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise bad_input("refused.adapter_unreadable", public=public, problem=str(problem)) from None
    if config.get("use_dora"):
        raise bad_input("refused.stacked_dora", field="from", public=public)

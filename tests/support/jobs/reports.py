# SPDX-License-Identifier: Apache-2.0
"""Reports of runs on a node and here, for comparison."""

from __future__ import annotations

from typing import Any


def without_times(value: Any) -> Any:
    """Return a report without times and memory, which differ between machines."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in ("seconds", "peak_mb")}
    return [without_times(part) for part in value] if isinstance(value, list) else value

# SPDX-License-Identifier: Apache-2.0
"""The data layer: `Store` opens one home folder and owns everything in it. SQLite is imported on first use only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.store import Store

__all__ = ["Store"]


def __getattr__(name: str) -> object:
    if name != "Store":
        raise AttributeError(f"module 'data' has no attribute {name!r}")
    from data.store import Store

    return Store

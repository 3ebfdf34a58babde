# SPDX-License-Identifier: Apache-2.0
"""The table of active seconds per comparison or ranking."""

from __future__ import annotations

TABLE = """
CREATE TABLE attention (
    event_id TEXT PRIMARY KEY,          -- a comparison or a ranking
    seconds REAL NOT NULL CHECK (seconds >= 0)
) STRICT
"""


FROZEN = {"attention": ("UPDATE", "DELETE")}

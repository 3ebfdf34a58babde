# SPDX-License-Identifier: Apache-2.0
"""The table of what people write about runs, policies and reward models."""

from __future__ import annotations

NOTES = """
CREATE TABLE notes (
    kind TEXT NOT NULL CHECK (kind IN ('run', 'p', 'r')),   -- the prefix of the public id
    id INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 60),
    text TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]' CHECK (json_type(tags) = 'array'),
    archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    baseline INTEGER NOT NULL DEFAULT 0 CHECK (baseline IN (0, 1)),
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_baseline_of_a_kind ON notes (kind) WHERE baseline = 1
"""

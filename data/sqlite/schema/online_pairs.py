# SPDX-License-Identifier: Apache-2.0
"""The table of pairs that online runs ask about. Never edited: later changes are migrations."""

from __future__ import annotations

TABLE = """
CREATE TABLE online_pairs (
    pair_id INTEGER PRIMARY KEY REFERENCES pairs (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    version INTEGER NOT NULL,           -- updates of the policy that answered
    arm TEXT NOT NULL CHECK (arm IN ('active', 'random')),
    rule TEXT NOT NULL CHECK (rule IN ('variance', 'random', 'start')),
    probability REAL NOT NULL,          -- that the rule drew this pair of the answers to its prompt
    predicted REAL NOT NULL,            -- the reward model's probability, when it asked, that first_id is better
    outdated INTEGER NOT NULL DEFAULT 0 -- 1: taken from the queue, since the policy has moved on
) STRICT;
CREATE INDEX online_pairs_run ON online_pairs (run_id, version);
"""

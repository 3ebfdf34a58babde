# SPDX-License-Identifier: Apache-2.0
"""The tables of pairs and rankings that online runs ask about. Never edited: later changes are migrations."""

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
RANKINGS = """
CREATE TABLE online_rankings (
    task_id INTEGER PRIMARY KEY REFERENCES ranking_tasks (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    version INTEGER NOT NULL,           -- updates of the policy that answered
    rule TEXT NOT NULL CHECK (rule IN ('variance', 'random')),
    probability REAL NOT NULL,          -- that the rule drew these answers of the different ones to its prompt
    outdated INTEGER NOT NULL DEFAULT 0 -- 1: taken from the queue, since the policy has moved on
) STRICT;
CREATE INDEX online_rankings_run ON online_rankings (run_id, version);
CREATE VIEW online_questions AS
    SELECT o.run_id, o.version, p.created_at FROM online_pairs AS o JOIN pairs AS p ON p.id = o.pair_id
    UNION ALL
    SELECT o.run_id, o.version, t.created_at FROM online_rankings AS o JOIN ranking_tasks AS t ON t.id = o.task_id;
"""

# SPDX-License-Identifier: Apache-2.0
"""The second half of the first schema: people, their verdicts, and the triggers that protect these.

Events (`comparisons`, `skips`, `audit`) are append-only, and what they are about is written once; `FROZEN` says which
statements triggers refuse. Undo and correction add a row that supersedes. What a person wrote about an answer stands in
`rationales`, which an erasure may empty. Never edited: later changes are migrations.
"""

from __future__ import annotations

PEOPLE = """
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('labeler', 'researcher')),
    password_hash TEXT,                 -- NULL: no login (simulated labelers, authors of imported comparisons)
    simulated INTEGER NOT NULL DEFAULT 0,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,              -- sha256 of the token; the token itself is never stored
    kind TEXT NOT NULL CHECK (kind IN ('session', 'api', 'first-link')),
    account_id INTEGER REFERENCES accounts (id),
    expires_at TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE guidelines (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    version INTEGER NOT NULL,
    text TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (project_id, version)
) STRICT, WITHOUT ROWID;
"""

EVENTS = """
CREATE TABLE assignments (
    id TEXT PRIMARY KEY,
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    left_id TEXT NOT NULL REFERENCES completions (id),
    right_id TEXT NOT NULL REFERENCES completions (id),
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (pair_id, labeler_id)        -- nobody meets a pair twice
) STRICT;
CREATE INDEX assignments_labeler ON assignments (labeler_id);
CREATE TABLE comparisons (
    id TEXT PRIMARY KEY,                -- made by the client: submitting twice is submitting once
    assignment_id TEXT REFERENCES assignments (id),   -- NULL only for imported ones
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    left_id TEXT NOT NULL REFERENCES completions (id),
    right_id TEXT NOT NULL REFERENCES completions (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('left_much', 'left', 'left_slightly', 'tie',
        'right_slightly', 'right', 'right_much', 'both_bad', 'withdrawn')),
    winner_id TEXT REFERENCES completions (id),       -- NULL for tie, both_bad, withdrawn
    margin INTEGER NOT NULL CHECK (margin BETWEEN 0 AND 3),
    late INTEGER NOT NULL DEFAULT 0,
    supersedes TEXT UNIQUE REFERENCES comparisons (id),
    source TEXT NOT NULL CHECK (source IN ('person', 'simulated', 'import')),
    source_hash TEXT UNIQUE,            -- of the imported row
    project_id INTEGER NOT NULL REFERENCES projects (id),
    guideline_version INTEGER NOT NULL,
    seconds REAL,                       -- from the showing to the answer
    created_at TEXT NOT NULL,
    FOREIGN KEY (project_id, guideline_version) REFERENCES guidelines (project_id, version),
    CHECK (left_id != right_id),
    CHECK (assignment_id IS NOT NULL OR source = 'import'),
    CHECK (winner_id IS CASE WHEN verdict GLOB 'left*' THEN left_id WHEN verdict GLOB 'right*' THEN right_id END),
    CHECK (margin = CASE WHEN winner_id IS NULL THEN 0 WHEN verdict GLOB '*_much' THEN 3
        WHEN verdict GLOB '*_slightly' THEN 1 ELSE 2 END)
) STRICT;
CREATE UNIQUE INDEX one_first_answer ON comparisons (assignment_id) WHERE supersedes IS NULL;
CREATE INDEX comparisons_pair ON comparisons (pair_id);
CREATE INDEX comparisons_labeler ON comparisons (labeler_id);
CREATE TABLE skips (
    assignment_id TEXT PRIMARY KEY REFERENCES assignments (id),
    kind TEXT NOT NULL DEFAULT 'skip' CHECK (kind IN ('skip', 'flag')),
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE rationales (
    comparison_id TEXT PRIMARY KEY REFERENCES comparisons (id),
    text TEXT NOT NULL
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL
) STRICT;
CREATE VIEW current_comparisons AS
    SELECT * FROM comparisons AS c WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id);
"""

GUARDS = (
    """
CREATE TRIGGER comparisons_of_their_pair BEFORE INSERT ON comparisons
WHEN NOT EXISTS (SELECT 1 FROM pairs WHERE pairs.id = NEW.pair_id
    AND pairs.first_id = min(NEW.left_id, NEW.right_id) AND pairs.second_id = max(NEW.left_id, NEW.right_id))
BEGIN SELECT RAISE(ABORT, 'a comparison is about the two completions of its pair'); END
""",
    """
CREATE TRIGGER comparisons_of_their_assignment BEFORE INSERT ON comparisons
WHEN NEW.assignment_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.id = NEW.assignment_id
    AND a.pair_id = NEW.pair_id AND a.labeler_id = NEW.labeler_id AND a.left_id = NEW.left_id AND a.right_id = NEW.right_id)
BEGIN SELECT RAISE(ABORT, 'a comparison is the answer of the person, on the sides, of its assignment'); END
""",
)

# Evidence that others refer to is written once; deleting is refused by foreign keys, or here.
FROZEN = {
    "comparisons": ("UPDATE", "DELETE"),
    "skips": ("UPDATE", "DELETE"),
    "audit": ("UPDATE", "DELETE"),
    "prompts": ("UPDATE OF hash, text, messages, split",),
    "completions": ("UPDATE",),
    "snapshots": ("UPDATE OF hash, kind, row_count", "DELETE"),
    "snapshot_rows": ("UPDATE", "DELETE"),
}

# SPDX-License-Identifier: Apache-2.0
"""The schema of label quality: verdicts on disputed pairs, excluded labelers, weights. `disputes` is derived.

Nothing here changes what a labeler said. Never edited: later changes are migrations.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlite_utils import Database

TABLES = """
CREATE TABLE adjudications (
    id TEXT PRIMARY KEY,                -- made by the client: deciding twice is deciding once
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    adjudicator_id INTEGER NOT NULL REFERENCES accounts (id),
    left_id TEXT NOT NULL REFERENCES completions (id),
    right_id TEXT NOT NULL REFERENCES completions (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('left_much', 'left', 'left_slightly', 'tie',
        'right_slightly', 'right', 'right_much', 'both_bad', 'withdrawn')),
    winner_id TEXT REFERENCES completions (id),
    margin INTEGER NOT NULL CHECK (margin BETWEEN 0 AND 3),
    votes_seen INTEGER NOT NULL DEFAULT 0,  -- 1: the adjudicator asked to see what the labelers had said
    supersedes TEXT UNIQUE REFERENCES adjudications (id),
    project_id INTEGER NOT NULL REFERENCES projects (id),
    guideline_version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    FOREIGN KEY (project_id, guideline_version) REFERENCES guidelines (project_id, version),
    CHECK (left_id != right_id),
    CHECK (winner_id IS CASE WHEN verdict GLOB 'left*' THEN left_id WHEN verdict GLOB 'right*' THEN right_id END)
) STRICT;
CREATE UNIQUE INDEX one_adjudication ON adjudications (pair_id) WHERE supersedes IS NULL;
CREATE INDEX adjudications_pair ON adjudications (pair_id);
CREATE TABLE set_asides (
    id INTEGER PRIMARY KEY,
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    aside INTEGER NOT NULL CHECK (aside IN (0, 1)),     -- 0: taken in again
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX set_asides_labeler ON set_asides (labeler_id, id);
CREATE TABLE weightings (
    id INTEGER PRIMARY KEY,
    labels TEXT NOT NULL,               -- whose comparisons they were fitted on
    votes INTEGER NOT NULL,             -- on shared and gold pairs
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE labeler_weights (
    weighting_id INTEGER NOT NULL REFERENCES weightings (id),
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    weight REAL NOT NULL CHECK (weight >= 0),
    discrimination REAL,                -- NULL: shares no pair with anybody
    error REAL,
    comparisons INTEGER NOT NULL,
    PRIMARY KEY (weighting_id, labeler_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE disputes (
    pair_id INTEGER PRIMARY KEY REFERENCES pairs (id)   -- derived: two people prefer different answers
) STRICT;
CREATE VIEW current_adjudications AS
    SELECT * FROM adjudications AS d WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM adjudications AS later WHERE later.supersedes = d.id);
CREATE VIEW labelers_aside AS
    SELECT labeler_id, reason, actor, created_at FROM set_asides AS s
    WHERE aside = 1 AND NOT EXISTS (SELECT 1 FROM set_asides AS later WHERE later.labeler_id = s.labeler_id AND later.id > s.id);
CREATE VIEW contenders AS
    SELECT c.pair_id, c.labeler_id, c.winner_id FROM current_comparisons AS c LEFT JOIN assignments AS a ON a.id = c.assignment_id
    WHERE c.source = 'person' AND c.winner_id IS NOT NULL AND a.repeats IS NULL
    AND c.labeler_id NOT IN (SELECT labeler_id FROM labelers_aside);
"""

DISPUTED = """INSERT INTO disputes (pair_id) SELECT DISTINCT one.pair_id FROM contenders AS one
    JOIN contenders AS other ON other.pair_id = one.pair_id AND other.labeler_id != one.labeler_id AND other.winner_id != one.winner_id
    WHERE {pairs}"""

TRIGGERS = (
    """CREATE TRIGGER comparisons_disputed AFTER INSERT ON comparisons
WHEN NEW.source = 'person' AND EXISTS (SELECT 1 FROM comparisons AS c WHERE c.pair_id = NEW.pair_id AND c.id != NEW.id)
BEGIN DELETE FROM disputes WHERE pair_id = NEW.pair_id; """
    + DISPUTED.format(pairs="one.pair_id = NEW.pair_id")
    + "; END",
    """CREATE TRIGGER adjudications_of_their_pair BEFORE INSERT ON adjudications
WHEN NOT EXISTS (SELECT 1 FROM pairs WHERE pairs.id = NEW.pair_id
    AND pairs.first_id = min(NEW.left_id, NEW.right_id) AND pairs.second_id = max(NEW.left_id, NEW.right_id))
BEGIN SELECT RAISE(ABORT, 'an adjudication is about the two completions of its pair'); END""",
)

FROZEN = dict.fromkeys(("adjudications", "set_asides", "weightings", "labeler_weights"), ("UPDATE", "DELETE"))


def apply(db: Database, statements: Callable[[str], list[str]], freeze: Callable[[Database, dict], None]) -> None:
    """Create the tables and triggers, and fill `disputes` from the recorded comparisons.

    The helper functions are those of `data.sqlite.migrations`.
    """
    for statement in (*statements(TABLES), *TRIGGERS):
        db.execute(statement)
    freeze(db, FROZEN)
    db.execute(DISPUTED.format(pairs="1"))

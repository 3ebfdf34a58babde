# SPDX-License-Identifier: Apache-2.0
"""The schema of demonstrations and of their reviews by a second person.

Never edited: later changes are migrations.

A demonstration is written to a prompt, or is an answer that a labeler made better while comparing
(`comparison_id`). Its text and the reviewer's reason stand in side tables that an erasure may empty. Accepting one
makes an instruction row that names it.
"""

from __future__ import annotations

WRITTEN = """
CREATE TABLE demonstrations (
    id TEXT PRIMARY KEY,                -- made by the client: submitting twice is submitting once
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    author_id INTEGER NOT NULL REFERENCES accounts (id),
    comparison_id TEXT UNIQUE REFERENCES comparisons (id),
    project_id INTEGER NOT NULL REFERENCES projects (id),
    guideline_version INTEGER NOT NULL,
    supersedes TEXT UNIQUE REFERENCES demonstrations (id),  -- the one that was sent back and is written anew
    created_at TEXT NOT NULL,
    FOREIGN KEY (project_id, guideline_version) REFERENCES guidelines (project_id, version)
) STRICT;
CREATE INDEX demonstrations_prompt ON demonstrations (prompt_id);
CREATE INDEX demonstrations_author ON demonstrations (author_id);
CREATE TABLE demonstration_texts (
    demonstration_id TEXT PRIMARY KEY REFERENCES demonstrations (id),
    text TEXT NOT NULL
) STRICT;
CREATE TABLE reviews (
    id TEXT PRIMARY KEY,
    demonstration_id TEXT NOT NULL UNIQUE REFERENCES demonstrations (id),
    reviewer_id INTEGER NOT NULL REFERENCES accounts (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'sent_back')),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX reviews_reviewer ON reviews (reviewer_id);
CREATE TABLE review_reasons (
    review_id TEXT PRIMARY KEY REFERENCES reviews (id),
    text TEXT NOT NULL
) STRICT;
ALTER TABLE instructions ADD COLUMN demonstration_id TEXT REFERENCES demonstrations (id);
CREATE INDEX instructions_demonstration ON instructions (demonstration_id);
CREATE VIEW open_demonstrations AS
    SELECT d.rowid AS number, d.*, t.text FROM demonstrations AS d JOIN demonstration_texts AS t ON t.demonstration_id = d.id
    WHERE NOT EXISTS (SELECT 1 FROM reviews AS r WHERE r.demonstration_id = d.id)
    AND (d.comparison_id IS NULL OR d.comparison_id IN (SELECT id FROM current_comparisons));
"""

GUARD = """
CREATE TRIGGER reviews_by_a_second_person BEFORE INSERT ON reviews
WHEN NEW.reviewer_id = (SELECT author_id FROM demonstrations WHERE id = NEW.demonstration_id)
BEGIN SELECT RAISE(ABORT, 'nobody reviews an answer of their own'); END
"""

FROZEN = {"demonstrations": ("UPDATE", "DELETE"), "reviews": ("UPDATE", "DELETE")}

# SPDX-License-Identifier: Apache-2.0
"""The schema of labeling projects, rankings and the queue.

The migration recreates `assignments`, since SQLite cannot loosen a constraint: an assignment may now be of a ranking, and a
planned repeat is a second one of its pair. `queue`, `tallies` and `assignments.done` are derived: triggers update
them in the transaction of the event, and `data.views.rebuild_derived.rebuild` recreates them from the events.
Never edited: later changes are migrations.
"""

from __future__ import annotations

STANDARD_PROJECT = (1, "Standard")
STANDARD_GUIDELINE = (
    "Which answer would you rather have received? "
    "Judge the whole answer: does it do what was asked, is it true, is it polite."
)
PROJECTS = """
ALTER TABLE projects ADD COLUMN form TEXT NOT NULL DEFAULT '{}';        -- JSON of data.tables.forms.Form; what is silent is its default
ALTER TABLE projects ADD COLUMN overlap REAL NOT NULL DEFAULT 1.0;      -- labelers for an item, on average
ALTER TABLE projects ADD COLUMN gold_rate REAL NOT NULL DEFAULT 0.0;    -- share of items that are gold
ALTER TABLE projects ADD COLUMN repeat_rate REAL NOT NULL DEFAULT 0.0;  -- share of items that are one's own earlier ones
ALTER TABLE projects ADD COLUMN everyone INTEGER NOT NULL DEFAULT 0;    -- 1: every labeler is in it
ALTER TABLE projects ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;      -- 1: nobody is handed its items
UPDATE projects SET everyone = 1 WHERE id = 1;
CREATE TABLE members (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (project_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_account ON members (account_id);
ALTER TABLE pairs ADD COLUMN project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id);
CREATE TABLE gold (
    pair_id INTEGER PRIMARY KEY REFERENCES pairs (id),
    outcome TEXT NOT NULL CHECK (outcome IN ('winner', 'tie', 'both_bad')),
    winner_id TEXT REFERENCES completions (id),
    note TEXT NOT NULL DEFAULT '',      -- why, for whoever explains it to a labeler
    set_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CHECK ((outcome = 'winner') = (winner_id IS NOT NULL))
) STRICT;
"""

RANKINGS = """
CREATE TABLE ranking_tasks (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,          -- of the completions' ids: the same answers are the same task
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id),
    size INTEGER NOT NULL CHECK (size BETWEEN 3 AND 9),
    purpose TEXT NOT NULL DEFAULT 'train' CHECK (purpose IN ('train', 'compare', 'import')),
    shown INTEGER NOT NULL DEFAULT 1,
    priority INTEGER NOT NULL DEFAULT 0,
    judged INTEGER NOT NULL DEFAULT 0,  -- derived: current rankings by people
    simulated INTEGER NOT NULL DEFAULT 0,
    run_id INTEGER REFERENCES runs (id),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX ranking_tasks_judged ON ranking_tasks (project_id, judged, priority, id) WHERE shown = 1;
CREATE INDEX ranking_tasks_simulated ON ranking_tasks (project_id, simulated, priority, id) WHERE shown = 1;
CREATE TABLE ranking_answers (
    task_id INTEGER NOT NULL REFERENCES ranking_tasks (id),
    completion_id TEXT NOT NULL,
    prompt_id INTEGER NOT NULL,
    PRIMARY KEY (task_id, completion_id),
    FOREIGN KEY (completion_id, prompt_id) REFERENCES completions (id, prompt_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE rankings (
    id TEXT PRIMARY KEY,                -- made by the client, as a comparison's
    assignment_id TEXT NOT NULL REFERENCES assignments (id),
    task_id INTEGER NOT NULL REFERENCES ranking_tasks (id),
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('ranked', 'all_bad', 'withdrawn')),
    unchanged INTEGER NOT NULL DEFAULT 0, -- 1: sent in the order in which it was shown, without a tie
    late INTEGER NOT NULL DEFAULT 0,
    supersedes TEXT UNIQUE REFERENCES rankings (id),
    source TEXT NOT NULL CHECK (source IN ('person', 'simulated', 'import')),
    project_id INTEGER NOT NULL REFERENCES projects (id),
    guideline_version INTEGER NOT NULL,
    seconds REAL,
    created_at TEXT NOT NULL,
    FOREIGN KEY (project_id, guideline_version) REFERENCES guidelines (project_id, version)
) STRICT;
CREATE UNIQUE INDEX one_first_ranking ON rankings (assignment_id) WHERE supersedes IS NULL;
CREATE INDEX rankings_task ON rankings (task_id);
CREATE INDEX rankings_labeler ON rankings (labeler_id);
CREATE TABLE ranking_places (
    ranking_id TEXT NOT NULL REFERENCES rankings (id),
    completion_id TEXT NOT NULL REFERENCES completions (id),
    place INTEGER NOT NULL CHECK (place BETWEEN 1 AND 9),   -- 1 the best; equal places are ties
    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 9), -- where it stood when it was shown
    PRIMARY KEY (ranking_id, completion_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE ranking_rationales (
    ranking_id TEXT PRIMARY KEY REFERENCES rankings (id),
    text TEXT NOT NULL
) STRICT;
CREATE VIEW current_rankings AS
    SELECT * FROM rankings AS r WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM rankings AS later WHERE later.supersedes = r.id);
CREATE VIEW ranked_pairs AS
    SELECT r.id AS ranking_id, r.task_id, r.labeler_id, r.source, r.project_id, r.guideline_version, r.created_at, t.prompt_id, t.size,
        a.completion_id AS a_id, b.completion_id AS b_id,
        CASE WHEN a.place < b.place THEN a.completion_id WHEN b.place < a.place THEN b.completion_id END AS winner_id
    FROM current_rankings AS r
    JOIN ranking_tasks AS t ON t.id = r.task_id
    JOIN ranking_places AS a ON a.ranking_id = r.id
    JOIN ranking_places AS b ON b.ranking_id = r.id AND b.position > a.position
    WHERE r.verdict = 'ranked';
"""

ASSIGNMENTS = """
CREATE TABLE assignments (
    id TEXT PRIMARY KEY,
    pair_id INTEGER REFERENCES pairs (id),              -- a pair with its sides,
    task_id INTEGER REFERENCES ranking_tasks (id),      -- or a ranking with the order of its answers
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id),
    guideline_version INTEGER NOT NULL DEFAULT 1,       -- the version that was shown last
    left_id TEXT REFERENCES completions (id),
    right_id TEXT REFERENCES completions (id),
    positions TEXT,                                     -- JSON: a ranking's completions as first shown
    gold INTEGER NOT NULL DEFAULT 0,                    -- 1: its verdict was known when it was handed out
    repeats TEXT UNIQUE REFERENCES assignments (id),    -- a planned repeat names what it repeats
    done INTEGER NOT NULL DEFAULT 0,                    -- derived: answered or skipped
    shown_at TEXT NOT NULL DEFAULT '',
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CHECK ((pair_id IS NULL) != (task_id IS NULL)),
    CHECK ((pair_id IS NULL) = (left_id IS NULL) AND (pair_id IS NULL) = (right_id IS NULL)),
    CHECK ((task_id IS NULL) = (positions IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_meeting ON assignments (pair_id, labeler_id, repeats IS NOT NULL);  -- nobody meets a pair twice unplanned
CREATE UNIQUE INDEX one_ranking ON assignments (task_id, labeler_id);
CREATE INDEX assignments_labeler ON assignments (labeler_id, created_at);
CREATE INDEX assignments_open ON assignments (labeler_id, expires_at) WHERE done = 0;
CREATE INDEX assignments_ends ON assignments (expires_at) WHERE done = 0;
CREATE TABLE drafts (
    assignment_id TEXT PRIMARY KEY REFERENCES assignments (id),
    content TEXT NOT NULL,              -- JSON: rationale, edit, aspects, places as far as they were begun
    saved_at TEXT NOT NULL
) STRICT;
CREATE TABLE comparison_aspects (
    comparison_id TEXT NOT NULL REFERENCES comparisons (id),
    aspect TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('left', 'tie', 'right')),
    PRIMARY KEY (comparison_id, aspect)
) STRICT, WITHOUT ROWID;
CREATE TABLE edits (
    comparison_id TEXT PRIMARY KEY REFERENCES comparisons (id),
    edited_id TEXT NOT NULL REFERENCES completions (id),        -- the answer that was made better
    completion_id TEXT NOT NULL REFERENCES completions (id),    -- the better answer
    labeler_id INTEGER NOT NULL REFERENCES accounts (id)        -- its author
) STRICT;
CREATE INDEX edits_completion ON edits (completion_id);
CREATE INDEX comparisons_labeler_time ON comparisons (labeler_id, created_at);
"""

DERIVED = """
CREATE TABLE queue (
    pair_id INTEGER PRIMARY KEY REFERENCES pairs (id),
    project_id INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    judged INTEGER NOT NULL DEFAULT 0,      -- current comparisons by people, repeats left out
    simulated INTEGER NOT NULL DEFAULT 0    -- the same by simulated labelers
) STRICT;
CREATE INDEX queue_priority ON queue (project_id, priority, pair_id);
CREATE INDEX queue_judged ON queue (project_id, judged, priority, pair_id);
CREATE INDEX queue_simulated ON queue (project_id, simulated, priority, pair_id);
CREATE TABLE tallies (
    labeler_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    answers INTEGER NOT NULL,               -- current comparisons and rankings
    PRIMARY KEY (labeler_id, project_id)
) STRICT, WITHOUT ROWID;
"""

PAIR_QUEUED = """
INSERT INTO queue (pair_id, project_id, priority, judged, simulated)
SELECT p.id, p.project_id, p.priority, (SELECT count(*) {judged} AND c.source = 'person'), (SELECT count(*) {judged} AND c.source = 'simulated')
FROM pairs AS p WHERE p.shown = 1
""".format(
    judged="FROM current_comparisons AS c LEFT JOIN assignments AS a ON a.id = c.assignment_id WHERE c.pair_id = p.id AND a.repeats IS NULL"
)
GAIN = "((NEW.verdict != 'withdrawn') - coalesce((SELECT o.verdict != 'withdrawn' FROM {table} AS o WHERE o.id = NEW.supersedes), 0))"
TALLY = """INSERT INTO tallies (labeler_id, project_id, answers) VALUES (NEW.labeler_id, NEW.project_id, {gain})
    ON CONFLICT DO UPDATE SET answers = answers + excluded.answers"""

TRIGGERS = (
    "CREATE TRIGGER pairs_queued AFTER INSERT ON pairs WHEN NEW.shown = 1"
    " BEGIN INSERT INTO queue (pair_id, project_id, priority) VALUES (NEW.id, NEW.project_id, NEW.priority); END",
    "CREATE TRIGGER pairs_requeued AFTER UPDATE OF shown, project_id, priority ON pairs"
    f" BEGIN DELETE FROM queue WHERE pair_id = NEW.id; {PAIR_QUEUED} AND p.id = NEW.id; END",
    f"""CREATE TRIGGER comparisons_counted AFTER INSERT ON comparisons
WHEN NEW.source != 'import' AND NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.id = NEW.assignment_id AND a.repeats IS NOT NULL)
BEGIN UPDATE queue SET judged = judged + (NEW.source = 'person') * {GAIN.format(table="comparisons")},
    simulated = simulated + (NEW.source = 'simulated') * {GAIN.format(table="comparisons")} WHERE pair_id = NEW.pair_id; END""",
    f"CREATE TRIGGER comparisons_tallied AFTER INSERT ON comparisons BEGIN {TALLY.format(gain=GAIN.format(table='comparisons'))}; END",
    "CREATE TRIGGER comparisons_done AFTER INSERT ON comparisons WHEN NEW.assignment_id IS NOT NULL"
    " BEGIN UPDATE assignments SET done = NEW.verdict != 'withdrawn' WHERE id = NEW.assignment_id; END",
    f"""CREATE TRIGGER rankings_counted AFTER INSERT ON rankings WHEN NEW.source != 'import'
BEGIN UPDATE ranking_tasks SET judged = judged + (NEW.source = 'person') * {GAIN.format(table="rankings")},
    simulated = simulated + (NEW.source = 'simulated') * {GAIN.format(table="rankings")} WHERE id = NEW.task_id; END""",
    f"CREATE TRIGGER rankings_tallied AFTER INSERT ON rankings BEGIN {TALLY.format(gain=GAIN.format(table='rankings'))}; END",
    "CREATE TRIGGER rankings_done AFTER INSERT ON rankings"
    " BEGIN UPDATE assignments SET done = NEW.verdict != 'withdrawn' WHERE id = NEW.assignment_id; END",
    "CREATE TRIGGER skips_done AFTER INSERT ON skips BEGIN UPDATE assignments SET done = 1 WHERE id = NEW.assignment_id; END",
    """CREATE TRIGGER rankings_of_their_assignment BEFORE INSERT ON rankings
WHEN NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.id = NEW.assignment_id AND a.task_id = NEW.task_id AND a.labeler_id = NEW.labeler_id)
BEGIN SELECT RAISE(ABORT, 'a ranking is the answer of the person to the task of its assignment'); END""",
    """CREATE TRIGGER edits_of_their_comparison BEFORE INSERT ON edits
WHEN NOT EXISTS (SELECT 1 FROM comparisons AS c WHERE c.id = NEW.comparison_id AND c.labeler_id = NEW.labeler_id
    AND NEW.edited_id IN (c.left_id, c.right_id) AND NEW.completion_id NOT IN (c.left_id, c.right_id))
BEGIN SELECT RAISE(ABORT, 'an edit is by the labeler of its comparison, of one of its two answers'); END""",
)

COUNTED = """
CREATE VIEW counted_comparisons AS
    SELECT c.*, coalesce(a.gold, 0) OR EXISTS (SELECT 1 FROM gold AS g WHERE g.pair_id = c.pair_id) AS gold
    FROM current_comparisons AS c LEFT JOIN assignments AS a ON a.id = c.assignment_id WHERE a.repeats IS NULL
"""

# Edits may be deleted by an erasure, but never change.
FROZEN = {
    "guidelines": ("UPDATE", "DELETE"),
    "rankings": ("UPDATE", "DELETE"),
    "ranking_places": ("UPDATE", "DELETE"),
    "ranking_answers": ("UPDATE", "DELETE"),
    "comparison_aspects": ("UPDATE", "DELETE"),
    "edits": ("UPDATE",),
}

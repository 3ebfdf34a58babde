"""The schema of `feedback.db`, as named, additive migrations; a migration is never edited once it has landed.

Events (`comparisons`, `skips`, `audit`) are append-only: triggers refuse UPDATE and DELETE; what they are about is frozen too. Undo and correction
add a row that supersedes. Text about persons stands in `rationales`, which an erasure may empty.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from data.clock import now

migrations = Migrations("preference-loop")

PROMPTS = """
CREATE TABLE prompts (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,          -- of the normalised text: importing twice adds nothing
    text TEXT NOT NULL,                 -- what a person reads; for a conversation its turns in order
    messages TEXT,                      -- JSON list of {role, content}; NULL for a plain text prompt
    split TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test')),
    source TEXT NOT NULL,               -- 'starter', or the name of the imported file
    family TEXT,                        -- kind of task, where known
    facts TEXT,                         -- JSON the rubric reads (starter prompts only)
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX prompts_split ON prompts (split);
CREATE TABLE instructions (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    instruction TEXT NOT NULL,
    input TEXT NOT NULL DEFAULT '',
    output TEXT NOT NULL,
    source TEXT NOT NULL,
    defects TEXT NOT NULL DEFAULT '[]', -- JSON list of marked defects, where known
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX instructions_prompt ON instructions (prompt_id);
"""

MODELS = """
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,          -- of kind and rows: the same data is the same snapshot
    kind TEXT NOT NULL CHECK (kind IN ('preferences', 'instructions', 'prompts', 'text')),
    name TEXT,
    row_count INTEGER NOT NULL,
    filters TEXT NOT NULL,              -- JSON: how the rows were chosen
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE snapshot_rows (
    snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),
    position INTEGER NOT NULL,
    row TEXT NOT NULL,                  -- JSON, frozen with its weight
    PRIMARY KEY (snapshot_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL,             -- JSON, complete: defaults filled in
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'lost')),
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    resumes INTEGER REFERENCES runs (id),
    created_by TEXT NOT NULL,           -- an account's name, or 'command line'
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    heartbeat_at TEXT,
    pid INTEGER,
    pid_started REAL,                   -- create time of that pid, since pids are used again
    boot_id TEXT,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    error TEXT,
    produced TEXT NOT NULL DEFAULT '[]', -- JSON list of public ids: p4, r3
    report TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX runs_state ON runs (state);
CREATE TABLE policies (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,                 -- base, sft, ppo, dpo, best-of-n, imported
    base TEXT NOT NULL,                 -- folder or hub id of the base model
    adapter TEXT,                       -- folder under the home; NULL for the bare base
    parent_id INTEGER REFERENCES policies (id),
    reward_model_id INTEGER,
    snapshot_id INTEGER REFERENCES snapshots (id),
    run_id INTEGER REFERENCES runs (id),
    config TEXT NOT NULL DEFAULT '{}',
    seed INTEGER,
    versions TEXT NOT NULL DEFAULT '{}', -- JSON: library versions, chat template, tokenizer hash
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE reward_models (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    base TEXT NOT NULL,
    adapter TEXT NOT NULL,
    snapshot_id INTEGER REFERENCES snapshots (id),
    run_id INTEGER REFERENCES runs (id),
    config TEXT NOT NULL DEFAULT '{}',
    report TEXT NOT NULL DEFAULT '{}',  -- JSON: the report of reward/report.py
    seed INTEGER,
    versions TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    policy_id INTEGER NOT NULL REFERENCES policies (id),
    against_id INTEGER REFERENCES policies (id),
    judge TEXT NOT NULL,                -- 'rubric', 'simulated', or a reward model's id
    report TEXT NOT NULL,
    run_id INTEGER REFERENCES runs (id),
    created_at TEXT NOT NULL
) STRICT;
"""

PAIRS = """
CREATE TABLE completions (
    id TEXT PRIMARY KEY,                -- hash of everything below that tells two completions apart
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    policy_id INTEGER REFERENCES policies (id),
    model_name TEXT NOT NULL,           -- the policy's name, or that of an imported model
    text TEXT NOT NULL,
    token_ids TEXT,                     -- JSON list, the sampled ids with the end id if there was one; NULL if imported
    sampling TEXT NOT NULL DEFAULT '{}',
    seed INTEGER,
    number INTEGER NOT NULL,            -- index of the sample, or occurrence in the imported file
    ended INTEGER NOT NULL DEFAULT 1,   -- 0: cut at max_new_tokens
    run_id INTEGER REFERENCES runs (id),
    created_at TEXT NOT NULL,
    CHECK (policy_id IS NULL OR token_ids IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX completions_of_prompt ON completions (id, prompt_id);
CREATE INDEX completions_prompt ON completions (prompt_id);
CREATE INDEX completions_policy ON completions (policy_id);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY,
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    first_id TEXT NOT NULL,
    second_id TEXT NOT NULL,
    purpose TEXT NOT NULL DEFAULT 'train' CHECK (purpose IN ('train', 'compare', 'import')),
    shown INTEGER NOT NULL DEFAULT 1,   -- 0: the texts are equal, or the pair came with its comparison
    priority INTEGER NOT NULL DEFAULT 0,
    run_id INTEGER REFERENCES runs (id),
    created_at TEXT NOT NULL,
    UNIQUE (first_id, second_id),
    CHECK (first_id < second_id),
    FOREIGN KEY (first_id, prompt_id) REFERENCES completions (id, prompt_id),
    FOREIGN KEY (second_id, prompt_id) REFERENCES completions (id, prompt_id)
) STRICT;
CREATE INDEX pairs_prompt ON pairs (prompt_id);
CREATE INDEX pairs_waiting ON pairs (shown, priority);
"""

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

STANDARD_PROJECT = (1, "Standard")
STANDARD_GUIDELINE = "Which answer would you rather have received? Judge the whole answer: does it do what was asked, is it true, is it polite."
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
SIDES = """
CREATE TRIGGER comparisons_of_their_pair BEFORE INSERT ON comparisons
WHEN NOT EXISTS (SELECT 1 FROM pairs WHERE pairs.id = NEW.pair_id
    AND pairs.first_id = min(NEW.left_id, NEW.right_id) AND pairs.second_id = max(NEW.left_id, NEW.right_id))
BEGIN SELECT RAISE(ABORT, 'a comparison is about the two completions of its pair'); END
"""


@migrations()
def m001_first_schema(db: Database) -> None:
    for part in (PROMPTS, MODELS, PAIRS, PEOPLE, EVENTS):
        for statement in _statements(part):
            db.execute(statement)
    for table, verbs in FROZEN.items():
        for verb in verbs:
            db.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.split()[0].lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row that supersedes'); END"
            )
    db.execute(SIDES)
    moment = now()
    db.execute("INSERT INTO projects VALUES (?, ?, ?)", [*STANDARD_PROJECT, moment])
    db.execute("INSERT INTO guidelines VALUES (?, 1, ?, ?)", [STANDARD_PROJECT[0], STANDARD_GUIDELINE, moment])


def _statements(script: str) -> list[str]:
    """Single statements, since executescript would commit the migration's own transaction."""
    bare = "\n".join(line.split("--")[0].rstrip() for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]

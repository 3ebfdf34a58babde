# SPDX-License-Identifier: Apache-2.0
"""The first schema of `feedback.db`: prompts, models and the pairs made of their answers.

`data.sqlite.migrations` applies it.

Never edited: later changes are migrations.
"""

from __future__ import annotations

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
    base TEXT NOT NULL,                 -- folder or hub id of the base model; home:FOLDER where it lies under the home
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
    report TEXT NOT NULL DEFAULT '{}',  -- JSON: the report of reward/report/build.py
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

# SPDX-License-Identifier: Apache-2.0
"""The first migrations of `feedback.db`, and their registry. New ones stand in `data.sqlite.migrations`."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from data.clock import now
from data.sqlite.schema import (
    active_time,
    audit_addresses,
    core,
    counts,
    demonstrations,
    exact_identity,
    imports,
    labels,
    people,
    projects,
    ratings,
    resolved_settings,
)
from data.sqlite.schema.projects import STANDARD_GUIDELINE, STANDARD_PROJECT
from data.sqlite.schema.quality import apply as add_quality
from data.sqlite.statements import freeze_tables, split_statements

migrations = Migrations("preference-loop")


@migrations()
def m001_first_schema(db: Database) -> None:
    """Create the first tables, the triggers that protect events, and the Standard project."""
    for part in (core.PROMPTS, core.MODELS, core.PAIRS, labels.PEOPLE, labels.EVENTS):
        for statement in split_statements(part):
            db.execute(statement)
    freeze_tables(db, labels.FROZEN)
    for guard in labels.GUARDS:
        db.execute(guard)
    moment = now()
    db.execute("INSERT INTO projects VALUES (?, ?, ?)", [*STANDARD_PROJECT, moment])
    db.execute("INSERT INTO guidelines VALUES (?, 1, ?, ?)", [STANDARD_PROJECT[0], STANDARD_GUIDELINE, moment])


@migrations()
def m002_projects(db: Database) -> None:
    """Create projects with forms, members, gold items and repeats; rankings, drafts, aspects, edits, queue counters."""
    guard = "comparisons_of_their_assignment"
    db.execute("CREATE TABLE kept AS SELECT * FROM assignments")
    db.execute(f"DROP TRIGGER {guard}")
    db.execute("DROP TABLE assignments")
    for part in (projects.PROJECTS, projects.RANKINGS, projects.ASSIGNMENTS, projects.DERIVED):
        for statement in split_statements(part):
            db.execute(statement)
    db.execute(labels.GUARDS[1])
    old = "id, pair_id, labeler_id, left_id, right_id, expires_at, created_at"
    db.execute(f"INSERT INTO assignments ({old}, shown_at, done) SELECT {old}, created_at, {_DONE} FROM kept AS a")
    db.execute("DROP TABLE kept")
    db.execute(projects.PAIR_QUEUED)
    db.execute("INSERT INTO tallies SELECT labeler_id, project_id, count(*) FROM current_comparisons GROUP BY 1, 2")
    for trigger in projects.TRIGGERS:
        db.execute(trigger)
    freeze_tables(db, projects.FROZEN)


@migrations()
def m003_counted_comparisons(db: Database) -> None:
    """Create the view of current comparisons that are no repeats; it marks those whose pair is or was gold."""
    db.execute(projects.COUNTED)


@migrations()
def m020_quality(db: Database) -> None:
    """Create adjudications, excluded labelers, labeler weights and disputes."""
    add_quality(db, split_statements, freeze_tables)


_DONE = """EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = a.pair_id AND c.assignment_id = a.id)
    OR EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = a.id)"""


@migrations()
def m010_people(db: Database) -> None:
    """Create invitations, identities at a provider, and the rules on personal data."""
    for statement in split_statements(people.PEOPLE):
        db.execute(statement)


@migrations()
def m030_imports_that_count_at_once(db: Database) -> None:
    """Add the import number to imported rows; they count once their import is done."""
    columns = [f"ALTER TABLE {table} ADD COLUMN import_id INTEGER REFERENCES imports (id)" for table in imports.TABLES]
    first, *others = split_statements(imports.IMPORTS)
    for statement in (first, *columns, *others, imports.GUARD):
        db.execute(statement)


@migrations()
def m050_ratings(db: Database) -> None:
    """Create the ratings of instruction rows."""
    for statement in split_statements(ratings.RATINGS):
        db.execute(statement)
    freeze_tables(db, ratings.FROZEN)


@migrations()
def m060_written_answers(db: Database) -> None:
    """Create demonstrations and their reviews, and link instruction rows to them."""
    for statement in split_statements(demonstrations.WRITTEN):
        db.execute(statement)
    db.execute(demonstrations.GUARD)
    freeze_tables(db, demonstrations.FROZEN)


@migrations()
def m070_active_time(db: Database) -> None:
    """Create the table of active seconds per answer."""
    db.execute(active_time.TABLE)
    freeze_tables(db, active_time.FROZEN)


@migrations()
def m080_running_counts(db: Database) -> None:
    """Create running counts of current comparisons, and indexes for the other counts of pages."""
    for statement in (*split_statements(counts.COUNTS), counts.COUNTED, *counts.TRIGGERS):
        db.execute(statement)


@migrations()
def m090_resolved_settings(db: Database) -> None:
    """Write into runs the models and rows that they used where their settings say "the newest"."""
    for statement in resolved_settings.STATEMENTS:
        db.execute(statement)


@migrations()
def m100_audit_addresses(db: Database) -> None:
    """Create the addresses of audited requests."""
    db.execute(audit_addresses.TABLE)


@migrations()
def m110_run_progress(db: Database) -> None:
    """Add the time of a run's last progress; a heartbeat says only that its process lives."""
    db.execute("ALTER TABLE runs ADD COLUMN progress_at TEXT")


@migrations()
def m120_exact_identity(db: Database) -> None:
    """Identify prompts by their exact text or turns, and instruction rows by their turns too; splits stay as they are.

    Add the folders of imported files.
    """
    name = "prompts_refuse_update"
    trigger = next(row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name]))
    db.execute(f"DROP TRIGGER {name}")
    exact_identity.rehash(db)
    db.execute(trigger)
    db.execute("ALTER TABLE imports ADD COLUMN folders TEXT")

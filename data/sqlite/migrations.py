# SPDX-License-Identifier: Apache-2.0
"""Named, additive changes of `feedback.db`, each applied once, in its own transaction.

One is never edited once it has landed.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database, Migrations

from data.clock import now
from data.sqlite.schema import active_time, core, counts, demonstrations, imports, labels, people, projects, ratings
from data.sqlite.schema.quality import apply as add_quality

migrations = Migrations("preference-loop")

STANDARD_PROJECT = (1, "Standard")
STANDARD_GUIDELINE = (
    "Which answer would you rather have received? "
    "Judge the whole answer: does it do what was asked, is it true, is it polite."
)


@migrations()
def m001_first_schema(db: Database) -> None:
    """Every table of the ring, the triggers that guard the events, and the project that labels belong to by default."""
    for part in (core.PROMPTS, core.MODELS, core.PAIRS, labels.PEOPLE, labels.EVENTS):
        for statement in _statements(part):
            db.execute(statement)
    _freeze(db, labels.FROZEN)
    for guard in labels.GUARDS:
        db.execute(guard)
    moment = now()
    db.execute("INSERT INTO projects VALUES (?, ?, ?)", [*STANDARD_PROJECT, moment])
    db.execute("INSERT INTO guidelines VALUES (?, 1, ?, ?)", [STANDARD_PROJECT[0], STANDARD_GUIDELINE, moment])


@migrations()
def m002_projects(db: Database) -> None:
    """Labeling projects with their forms, people, gold items and repeats; rankings; drafts; aspects and edits.

    The queue's counters.
    """
    guard = "comparisons_of_their_assignment"
    db.execute("CREATE TABLE kept AS SELECT * FROM assignments")
    db.execute(f"DROP TRIGGER {guard}")
    db.execute("DROP TABLE assignments")
    for part in (projects.PROJECTS, projects.RANKINGS, projects.ASSIGNMENTS, projects.DERIVED):
        for statement in _statements(part):
            db.execute(statement)
    db.execute(labels.GUARDS[1])
    old = "id, pair_id, labeler_id, left_id, right_id, expires_at, created_at"
    db.execute(f"INSERT INTO assignments ({old}, shown_at, done) SELECT {old}, created_at, {_DONE} FROM kept AS a")
    db.execute("DROP TABLE kept")
    db.execute(projects.PAIR_QUEUED)
    db.execute("INSERT INTO tallies SELECT labeler_id, project_id, count(*) FROM current_comparisons GROUP BY 1, 2")
    for trigger in projects.TRIGGERS:
        db.execute(trigger)
    _freeze(db, projects.FROZEN)


@migrations()
def m003_counted_comparisons(db: Database) -> None:
    """Return current comparisons that say something about their answers.

    Each with whether its pair is or was gold.
    """
    db.execute(projects.COUNTED)


@migrations()
def m020_quality(db: Database) -> None:
    """Adjudications, excluded labelers, weights of labelers, and the pairs on which people disagree."""
    add_quality(db, _statements, _freeze)


_DONE = """EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = a.pair_id AND c.assignment_id = a.id)
    OR EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = a.id)"""


@migrations()
def m010_people(db: Database) -> None:
    """Invitations, identities at a provider, and what people may do with their own data."""
    for statement in _statements(people.PEOPLE):
        db.execute(statement)


@migrations()
def m030_imports_that_count_at_once(db: Database) -> None:
    """Return what an import writes bears its number, and counts from the moment at which the import is done."""
    columns = [f"ALTER TABLE {table} ADD COLUMN import_id INTEGER REFERENCES imports (id)" for table in imports.TABLES]
    first, *others = _statements(imports.IMPORTS)
    for statement in (first, *columns, *others, imports.GUARD):
        db.execute(statement)


@migrations()
def m050_ratings(db: Database) -> None:
    """Return what instruction rows are worth to learn from, as people say."""
    for statement in _statements(ratings.RATINGS):
        db.execute(statement)
    _freeze(db, ratings.FROZEN)


@migrations()
def m060_written_answers(db: Database) -> None:
    """Answers that people write, their reviews, and the instruction rows made of them."""
    for statement in _statements(demonstrations.WRITTEN):
        db.execute(statement)
    db.execute(demonstrations.GUARD)
    _freeze(db, demonstrations.FROZEN)


@migrations()
def m070_active_time(db: Database) -> None:
    """Add the active seconds of answers."""
    db.execute(active_time.TABLE)
    _freeze(db, active_time.FROZEN)


@migrations()
def m080_running_counts(db: Database) -> None:
    """Return counts of current comparisons, and the indexes by which pages count the rest."""
    for statement in (*_statements(counts.COUNTS), counts.COUNTED, *counts.TRIGGERS):
        db.execute(statement)


NAMES = {migration.name for migration in migrations.pending(Database(memory=True))}
"""Every change that this version knows."""


def _freeze(db: Database, frozen: Mapping[str, tuple[str, ...]]) -> None:
    """Triggers that refuse these statements on these tables."""
    for table, verbs in frozen.items():
        for verb in verbs:
            db.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.split()[0].lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are written once: add a row that supersedes'); END"
            )


def _statements(script: str) -> list[str]:
    """Single statements, since executescript would commit the migration's own transaction."""
    bare = "\n".join(line.split("--")[0].rstrip() for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]

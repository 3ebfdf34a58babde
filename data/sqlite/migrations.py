# SPDX-License-Identifier: Apache-2.0
"""Named, additive changes of `feedback.db`, each applied once, in its own transaction.

A released migration is never edited. `data.sqlite.early_migrations` has the first ones.
"""

from __future__ import annotations

from sqlite_utils import Database

from data.sqlite.constraints import change_constraints
from data.sqlite.early_migrations import migrations
from data.sqlite.schema import (
    imported_rankings,
    imports,
    notes,
    online_pairs,
    retractions,
    reward_models,
    webhook_deliveries,
)
from data.sqlite.statements import freeze_tables, split_statements


@migrations()
def m130_column_mappings(db: Database) -> None:
    """Create the column mappings that people save."""
    db.execute(
        "CREATE TABLE column_mappings (name TEXT PRIMARY KEY, mapping TEXT NOT NULL, saved_at TEXT NOT NULL) STRICT"
    )


@migrations()
def m140_imported_aspects(db: Database) -> None:
    """Delete the aspects of comparisons whose import broke off."""
    for statement in imports.ASPECTS:
        db.execute(statement)


@migrations()
def m150_imported_rankings(db: Database) -> None:
    """Add the import number to rankings and their tasks; they count once their import is done. Add the source `ai`."""
    for table in imported_rankings.TABLES:
        db.execute(f"ALTER TABLE {table} ADD COLUMN import_id INTEGER REFERENCES imports (id)")
    change_constraints(db, imported_rankings.CONSTRAINTS)
    db.execute("DROP VIEW current_rankings")
    for trigger in imported_rankings.REPLACED:
        db.execute(f"DROP TRIGGER {trigger}")
    parts = (imported_rankings.VIEW, imported_rankings.INDEX)
    for statement in (*parts, *imported_rankings.REPLACED.values(), *imported_rankings.REMOVED):
        db.execute(statement)


@migrations()
def m160_imported_edits(db: Database) -> None:
    """Delete the edits of comparisons whose import broke off."""
    db.execute(imports.EDITS)


@migrations()
def m170_retractions(db: Database) -> None:
    """Create retractions of imported rows; the current comparisons and rankings leave retracted ones out."""
    for statement in (*split_statements(retractions.TABLES), *retractions.TRIGGERS):
        db.execute(statement)
    freeze_tables(db, retractions.FROZEN)


@migrations()
def m175_notes(db: Database) -> None:
    """Create the names, notes, tags and marks of runs, policies and reward models."""
    for statement in split_statements(notes.NOTES):
        db.execute(statement)


@migrations()
def m180_webhook_deliveries(db: Database) -> None:
    """Create the list of runs whose end was sent to the webhook."""
    db.execute(webhook_deliveries.TABLE)


@migrations()
def m190_online_pairs(db: Database) -> None:
    """Create the list of pairs that online runs ask about."""
    for statement in split_statements(online_pairs.TABLE):
        db.execute(statement)


@migrations()
def m200_reward_roles(db: Database) -> None:
    """Add the role of reward models."""
    for statement in reward_models.ROLES:
        db.execute(statement)


@migrations()
def m210_reward_scores(db: Database) -> None:
    """Create the scores of reward models."""
    db.execute(reward_models.SCORES)


@migrations()
def m220_launchers(db: Database) -> None:
    """Add where runs work, and the tokens of other machines."""
    for statement in webhook_deliveries.LAUNCHERS:
        db.execute(statement)


@migrations()
def m230_online_rankings(db: Database) -> None:
    """Create the list of rankings that online runs ask about."""
    for statement in split_statements(online_pairs.RANKINGS):
        db.execute(statement)


@migrations()
def m240_claims(db: Database) -> None:
    """Add the claim to which the token of a run belongs."""
    db.execute(webhook_deliveries.CLAIMS)


NAMES = {migration.name for migration in migrations.pending(Database(memory=True))}
"""Every migration that this version knows, in order."""

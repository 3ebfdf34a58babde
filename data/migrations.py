"""Named, additive changes of `feedback.db`, each applied once, in its own transaction; one is never edited once it has landed."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from data import schema, schema_labels
from data.clock import now

migrations = Migrations("preference-loop")

STANDARD_PROJECT = (1, "Standard")
STANDARD_GUIDELINE = "Which answer would you rather have received? Judge the whole answer: does it do what was asked, is it true, is it polite."


@migrations()
def m001_first_schema(db: Database) -> None:
    """Every table of the ring, the triggers that guard the events, and the project that labels belong to by default."""
    for part in (schema.PROMPTS, schema.MODELS, schema.PAIRS, schema_labels.PEOPLE, schema_labels.EVENTS):
        for statement in _statements(part):
            db.execute(statement)
    for table, verbs in schema_labels.FROZEN.items():
        for verb in verbs:
            db.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.split()[0].lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are written once: add a row that supersedes'); END"
            )
    for guard in schema_labels.GUARDS:
        db.execute(guard)
    moment = now()
    db.execute("INSERT INTO projects VALUES (?, ?, ?)", [*STANDARD_PROJECT, moment])
    db.execute("INSERT INTO guidelines VALUES (?, 1, ?, ?)", [STANDARD_PROJECT[0], STANDARD_GUIDELINE, moment])


NAMES = {migration.name for migration in migrations.pending(Database(memory=True))}
"""Every change that this version knows."""


def _statements(script: str) -> list[str]:
    """Single statements, since executescript would commit the migration's own transaction."""
    bare = "\n".join(line.split("--")[0].rstrip() for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]

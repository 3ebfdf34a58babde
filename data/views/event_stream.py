# SPDX-License-Identifier: Apache-2.0
"""The event stream: everything recorded about labeling, with superseded events, as rows of one stream.

Shown prompts and answers come first, then the events. Assignments come last, so every event finds its assignment
even while people label. Labelers have pseudonyms unless the caller asks for names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from data.formats.export.formats import make_pseudonym
from data.store import Store
from data.tables.imports import import_done

MET = """SELECT pair_id FROM assignments WHERE pair_id IS NOT NULL UNION SELECT pair_id FROM comparisons"""
RANKED = "SELECT task_id FROM assignments WHERE task_id IS NOT NULL UNION SELECT task_id FROM rankings"
OURS = "(:project IS NULL OR {table}.project_id = :project)"
MET_PAIRS = f"SELECT * FROM pairs WHERE id IN ({MET}) AND {OURS.format(table='pairs')} AND {import_done('pairs')}"
MET_TASKS = (
    f"SELECT * FROM ranking_tasks WHERE id IN ({RANKED}) AND {OURS.format(table='ranking_tasks')}"
    f" AND {import_done('ranking_tasks')}"
)
MET_ANSWERS = (
    f"SELECT first_id FROM ({MET_PAIRS}) UNION SELECT second_id FROM ({MET_PAIRS})"
    f" UNION SELECT completion_id FROM ranking_answers WHERE task_id IN (SELECT id FROM ({MET_TASKS}))"
    " UNION SELECT e.completion_id FROM edits AS e JOIN comparisons AS c ON c.id = e.comparison_id"
    f" WHERE {OURS.format(table='c')} AND {import_done('c')}"
)
PLACES = "SELECT json_group_object(completion_id, place) FROM ranking_places WHERE ranking_id = r.id"
POSITIONS = "SELECT json_group_array(completion_id) FROM (SELECT completion_id FROM ranking_places WHERE ranking_id = r.id ORDER BY position)"
EVENTS = {
    "guideline": "SELECT project_id, version AS guideline_version, text, created_at FROM guidelines"
    f" WHERE {OURS.format(table='guidelines')} AND (EXISTS (SELECT 1 FROM assignments) OR EXISTS (SELECT 1 FROM comparisons))",
    "prompt": "SELECT id, text, messages, split, source, created_at FROM prompts"
    f" WHERE id IN (SELECT prompt_id FROM ({MET_PAIRS}) UNION SELECT prompt_id FROM ({MET_TASKS})) ORDER BY id",
    "completion": "SELECT id, prompt_id, policy_id, model_name, text, token_ids, sampling, seed, number, ended, run_id, created_at"
    f" FROM completions WHERE id IN ({MET_ANSWERS}) ORDER BY rowid",
    "comparison": "SELECT c.*, w.seconds AS active_seconds, r.text AS rationale, e.edited_id, e.completion_id AS better_id,"
    " (SELECT json_group_object(aspect, choice) FROM comparison_aspects WHERE comparison_id = c.id) AS aspects"
    " FROM comparisons AS c LEFT JOIN rationales AS r ON r.comparison_id = c.id LEFT JOIN edits AS e ON e.comparison_id = c.id"
    " LEFT JOIN attention AS w ON w.event_id = c.id"
    f" WHERE {OURS.format(table='c')} AND {import_done('c')} ORDER BY c.rowid",
    "ranking": f"SELECT r.*, w.seconds AS active_seconds, t.text AS rationale, ({PLACES}) AS places, ({POSITIONS}) AS positions FROM rankings AS r"
    " LEFT JOIN ranking_rationales AS t ON t.ranking_id = r.id LEFT JOIN attention AS w ON w.event_id = r.id"
    f" WHERE {OURS.format(table='r')} AND {import_done('r')} ORDER BY r.rowid",
    "adjudication": "SELECT id, pair_id, adjudicator_id AS labeler_id, left_id, right_id, verdict, winner_id, margin, votes_seen, supersedes,"
    " project_id, guideline_version, created_at, 'adjudication' AS source FROM adjudications AS d"
    f" WHERE {OURS.format(table='d')} ORDER BY d.rowid",
    "skip": "SELECT s.assignment_id, s.kind, s.reason, s.created_at, a.labeler_id, a.pair_id, a.task_id, a.project_id"
    f" FROM skips AS s JOIN assignments AS a ON a.id = s.assignment_id WHERE {OURS.format(table='a')} ORDER BY s.rowid",
    "gold": "SELECT g.pair_id, g.outcome, g.winner_id, g.note, g.created_at, p.project_id FROM gold AS g JOIN pairs AS p ON p.id = g.pair_id"
    f" WHERE {OURS.format(table='p')} ORDER BY g.rowid",
    "assignment": "SELECT id, pair_id, task_id, labeler_id, project_id, guideline_version, left_id, right_id, positions, gold, repeats, done,"
    f" shown_at, expires_at, created_at FROM assignments AS a WHERE {OURS.format(table='a')} AND {import_done('a')} ORDER BY rowid",
}
SAID = ("comparison", "ranking")
"""Rows of an excluded labeler and retracted rows are marked, since no export of preferences and no training takes them."""
JSON = ("messages", "token_ids", "sampling", "aspects", "places", "positions")
INTEGERS = (
    "prompt_id",
    "pair_id",
    "task_id",
    "policy_id",
    "run_id",
    "labeler_id",
    "project_id",
    "guideline_version",
    "margin",
    "late",
    "unchanged",
    "set_aside",
    "retracted",
    "gold",
    "done",
    "seed",
    "number",
    "ended",
    "votes_seen",
)
TEXTS = (
    "event",
    "id",
    "source",
    "labeler",
    "created_at",
    "text",
    "split",
    "model_name",
    "assignment_id",
    "left_id",
    "right_id",
    "verdict",
    "winner_id",
    "supersedes",
    "source_hash",
    "rationale",
    "edited_id",
    "better_id",
    "kind",
    "reason",
    "outcome",
    "note",
    "repeats",
    "shown_at",
    "expires_at",
)
NUMBERS = ("seconds", "active_seconds")
KINDS = {"text": TEXTS, "integer": INTEGERS, "number": NUMBERS, "json": JSON}
COLUMNS = {name: kind for kind, names in KINDS.items() for name in names}
"""The columns of a table of events: each event fills its own."""


def stream_events(store: Store, *, project_id: int | None = None, names: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the events, of one project if given, each with its kind as `event` and its origin as `source`.

    `names` gives the names of labelers instead of pseudonyms.
    """
    excluded = {labeler.labeler_id for labeler in store.excluded_labelers.all()}
    people = {
        account.id: (account.name if names else make_pseudonym(account.id), account.simulated)
        for account in store.accounts.all()
    }
    retracted = store.retractions.ids("comparison") | store.retractions.ids("ranking")
    for kind, query in EVENTS.items():
        for row in store.stream(query, {"project": project_id}):
            if kind in SAID:
                row["set_aside"] = int(row["labeler_id"] in excluded)
                row["retracted"] = int(row["id"] in retracted)
            yield _event(kind, row, people)


def _event(kind: str, row: dict[str, Any], people: dict[int, tuple[str, bool]]) -> dict[str, Any]:
    for name in JSON:
        if row.get(name):
            row[name] = json.loads(row[name])
    about: dict[str, Any] = {"event": kind}
    if kind in ("prompt", "comparison", "ranking"):
        about["source"] = row["source"]
    if "labeler_id" in row:
        name, simulated = people[row["labeler_id"]]
        about |= {"labeler": name, "source": row.get("source") or ("simulated" if simulated else "person")}
    return about | {
        name: str(value) if name == "id" else value
        for name, value in row.items()
        if name not in ("source", "import_id")
    }

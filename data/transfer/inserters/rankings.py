# SPDX-License-Identifier: Apache-2.0
"""Imported rankings: answers, tasks that no labeler gets, and the places of a file's labeler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from data.clock import now
from data.formats.shapes import RankingShape
from data.ids import canonical_json, content_hash
from data.store import Store
from data.tables.rankings import ANSWER_COLUMNS, PLACE_COLUMNS, task_hash
from data.transfer.import_target import SIMULATED, ImportRow, ImportTarget
from data.transfer.inserters.pairs import ASSIGNED, KNOWN_EVENTS, KNOWN_ROWS, find_known

TASK = ("hash", "prompt_id", "project_id", "size", "purpose", "shown", "created_at", "import_id")
ASSIGNMENT = (
    "id",
    "task_id",
    "labeler_id",
    "project_id",
    "positions",
    "expires_at",
    "created_at",
    "import_id",
)
RANKING = (
    "id",
    "assignment_id",
    "task_id",
    "labeler_id",
    "verdict",
    "source",
    "project_id",
    "guideline_version",
    "created_at",
    "import_id",
)
TASKS = "SELECT hash, id FROM ranking_tasks WHERE hash IN (SELECT value FROM json_each(?))"


class _Event(NamedTuple):
    """A ranking of the file: its id, its shape, its prompt and its task, and the answers in the drawn order."""

    id: str
    shape: RankingShape
    prompt_id: int
    task_id: int
    places: dict[str, int]
    labeler_id: int

    @property
    def assignment_id(self) -> str | None:
        """Return the assignment of a simulated labeler, who has each task once, as every labeler."""
        return self.id if self.shape.source == SIMULATED else None


class Rankings:
    """Rankings of a file, each joined from its rows. Labelers never see their tasks."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write new answers, tasks and rankings; return the number of new rankings."""
        fresh = _not_recorded(chunk, into.store)
        if not fresh:
            return 0
        events = _events(fresh, into)
        assigned = [event for event in events if event.assignment_id]
        if assigned:
            into.write(into.store.insert_many, "assignments", ASSIGNMENT, _assignments(assigned, into))
        held = find_known(into.store, ASSIGNED, [event.id for event in assigned])
        events = [event for event in events if event.assignment_id is None or event.id in held]
        return into.write(_record, into.store, events, into)


def _not_recorded(chunk: Sequence[ImportRow], store: Store) -> list[ImportRow]:
    """Return the rankings that this store does not have, neither as such nor as comparisons for all of their rows."""
    ids = [good.hash[:32] for good in chunk] + [good.comparison for good in chunk if good.comparison]
    known = find_known(store, KNOWN_EVENTS, ids)
    compared = find_known(store, KNOWN_ROWS, [hash for good in chunk for hash in good.joined])
    return [
        good
        for good in {good.hash: good for good in chunk}.values()
        if known.isdisjoint((good.hash[:32], good.comparison)) and not compared.issuperset(good.joined)
    ]


def _events(goods: Sequence[ImportRow], into: ImportTarget) -> list[_Event]:
    """Write the prompts, answers and tasks of rankings; return the rankings.

    The order of the answers comes from hashes, so position carries no information.
    """
    shapes: list[RankingShape] = [good.shape for good in goods]
    prompts = into.prompt_ids([shape.prompt for shape in shapes])
    rows = [
        into.completion(prompt_id, *answer)
        for prompt_id, shape in zip(prompts, shapes, strict=True)
        for answer in shape.answers
    ]
    completions = iter(into.write(into.store.completions.add_many, rows))
    answers = [[next(completions) for _ in shape.answers] for shape in shapes]
    tasks = into.write(_add_tasks, into.store, list(zip(prompts, answers, strict=True)), into)
    return [
        _Event(
            good.hash[:32],
            shape,
            prompt_id,
            task_id,
            dict(sorted(zip(ids, shape.places, strict=True), key=lambda place: content_hash(good.hash, place[0]))),
            into.author(shape.labeler, shape.source).id,
        )
        for good, shape, prompt_id, task_id, ids in zip(goods, shapes, prompts, tasks, answers, strict=True)
    ]


def _add_tasks(store: Store, tasks: Sequence[tuple[int, Sequence[str]]], into: ImportTarget) -> list[int]:
    """Write the tasks that are new, in one commit; return the ids of all."""
    hashes = [task_hash(ids) for _, ids in tasks]
    moment = now()
    rows = [
        (hash, prompt_id, into.project_id, len(ids), "import", 0, moment, into.import_id)
        for hash, (prompt_id, ids) in zip(hashes, tasks, strict=True)
    ]
    with store.transaction():
        store.insert_many("ranking_tasks", TASK, rows)
        numbers = {row["hash"]: row["id"] for row in store.rows(TASKS, [canonical_json(hashes)])}
        answers = [
            (numbers[hash], id, prompt_id) for hash, (prompt_id, ids) in zip(hashes, tasks, strict=True) for id in ids
        ]
        store.insert_many("ranking_answers", ANSWER_COLUMNS, answers)
    return [numbers[hash] for hash in hashes]


def _assignments(events: Sequence[_Event], into: ImportTarget) -> list[tuple]:
    moment = now()
    return [
        (
            event.id,
            event.task_id,
            event.labeler_id,
            into.project_id,
            canonical_json(list(event.places)),
            moment,
            moment,
            into.import_id,
        )
        for event in events
    ]


def _record(store: Store, events: Sequence[_Event], into: ImportTarget) -> int:
    """Append the rankings with their places in one commit; return their number."""
    moment = now()
    rows = [
        (
            event.id,
            event.assignment_id,
            event.task_id,
            event.labeler_id,
            "ranked",
            event.shape.source,
            into.project_id,
            1,
            moment,
            into.import_id,
        )
        for event in events
    ]
    places = [
        (event.id, id, place, position)
        for event in events
        for position, (id, place) in enumerate(event.places.items(), 1)
    ]
    with store.transaction():
        added = store.insert_many("rankings", RANKING, rows)
        store.insert_many("ranking_places", PLACE_COLUMNS, places)
    return added

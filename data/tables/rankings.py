# SPDX-License-Identifier: Apache-2.0
"""Rankings of 3 to 9 answers to a prompt: the tasks, and the labelers' orders as append-only events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, Unpack

from data.clock import now
from data.errors import BadInput, Refused
from data.ids import canonical_json, content_hash
from data.sqlite.table import Table
from data.tables.imports import IMPORT_DONE
from data.tables.verdicts import FEWEST_RANKED, MOST_RANKED

FEWEST, MOST = FEWEST_RANKED, MOST_RANKED
VERDICTS = ("ranked", "all_bad")
ANSWER_COLUMNS = ("task_id", "completion_id", "prompt_id")
PLACE_COLUMNS = ("ranking_id", "completion_id", "place", "position")
ANY_RETRACTED = """SELECT EXISTS (SELECT 1 FROM retracted WHERE kind = 'completion'
    AND row_id IN (SELECT value FROM json_each(?)))"""


@dataclass(frozen=True, slots=True)
class RankingTask:
    """Several answers to a prompt that a labeler puts in order."""

    id: int
    prompt_id: int
    project_id: int
    completion_ids: tuple[str, ...]
    purpose: str
    shown: bool
    priority: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking event. An imported one has no assignment.

    `verdict` is 'ranked', 'all_bad' or 'withdrawn'. `places` maps each completion to its place: 1 is the best, equal
    places are ties. It is empty unless the verdict is 'ranked'.
    `unchanged` is true if the labeler submitted the order in which the page first showed the answers.
    """

    id: str
    assignment_id: str | None
    task_id: int
    labeler_id: int
    verdict: str
    places: dict[str, int]
    unchanged: bool
    late: bool
    supersedes: str | None
    source: str
    project_id: int
    guideline_version: int
    seconds: float | None
    created_at: str


class NewRanking(TypedDict):
    """A new ranking. `positions` are the completions as first shown; `places` maps each of them to its place."""

    id: str
    assignment_id: str
    task_id: int
    labeler_id: int
    verdict: str
    source: str
    project_id: int
    guideline_version: int
    positions: Sequence[str]
    places: NotRequired[Mapping[str, int]]
    late: NotRequired[bool]
    supersedes: NotRequired[str | None]
    seconds: NotRequired[float | None]
    rationale: NotRequired[str | None]


class Rankings(Table):
    """Ranking tasks and their events."""

    def add_task(
        self,
        prompt_id: int,
        completion_ids: Sequence[str],
        *,
        project_id: int = 1,
        purpose: str = "train",
        priority: int = 0,
        run_id: int | None = None,
    ) -> RankingTask | None:
        """Add a task to rank these answers to a prompt, or return the existing one.

        Of answers with equal texts the task holds the first. Returns None if fewer than three texts differ.
        Raises BadInput for more than nine, or for answers to another prompt.
        """
        ids = self._distinct(prompt_id, completion_ids)
        if len(ids) > MOST:
            raise BadInput.of("error.rank_many", field="completions", count=len(ids), most=MOST)
        if len(ids) < FEWEST:
            return None
        hash = task_hash(ids)
        row = {"hash": hash, "prompt_id": prompt_id, "project_id": project_id, "size": len(ids), "purpose": purpose}
        row |= {"priority": priority, "run_id": run_id, "created_at": now()}
        with self._store.transaction():
            shown = purpose != "import" and not self._store.value(ANY_RETRACTED, [canonical_json(ids)])
            id = self._store.insert_or_ignore("ranking_tasks", row | {"shown": int(shown)})
            if id is not None:
                answers = [(id, completion_id, prompt_id) for completion_id in ids]
                self._store.insert_many("ranking_answers", ANSWER_COLUMNS, answers)
            return self.task(self._store.value("SELECT id FROM ranking_tasks WHERE hash = ?", [hash]))

    def task(self, id: int) -> RankingTask:
        """Return the task. Raises BadInput if there is none."""
        row = self._store.maybe(
            "SELECT id, prompt_id, project_id, purpose, shown, priority FROM ranking_tasks WHERE id = ?", [id]
        )
        if row is None:
            raise BadInput.of("error.no_ranking_task", id=id)
        answers = self._store.rows(
            "SELECT completion_id FROM ranking_answers WHERE task_id = ? ORDER BY completion_id", [id]
        )
        return RankingTask(
            **{**row, "shown": bool(row["shown"])}, completion_ids=tuple(answer["completion_id"] for answer in answers)
        )

    def record(self, **event: Unpack[NewRanking]) -> bool:
        """Append one event; return False if this id exists already.

        Raises BadInput for places that do not fit the task, and Refused for a second answer to an assignment.
        """
        defaults: dict[str, Any] = {"late": 0, "supersedes": None, "seconds": None}
        row = defaults | {name: value for name, value in event.items() if name in COLUMNS}
        places = _checked(event)
        row |= {"late": int(row["late"]), "unchanged": int(_unchanged(event["positions"], places)), "created_at": now()}
        with self._store.transaction():
            if self._store.value("SELECT 1 FROM rankings WHERE id = ?", [row["id"]]):
                return False
            self._refuse_second_answer(row)
            self._store.insert("rankings", row)
            shown = [
                (row["id"], answer, place, event["positions"].index(answer) + 1) for answer, place in places.items()
            ]
            self._store.insert_many("ranking_places", PLACE_COLUMNS, shown)
            if event.get("rationale"):
                self._store.insert("ranking_rationales", {"ranking_id": row["id"], "text": event["rationale"]})
        return True

    def get(self, id: str) -> Ranking:
        """Return the event. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM rankings WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_ranking", id=id)
        return self._ranking(row)

    def current(
        self, *, labeler_id: int | None = None, task_id: int | None = None, source: str | None = None
    ) -> list[Ranking]:
        """Return the current rankings in the order of their events, filtered by the given columns."""
        wanted = {"labeler_id": labeler_id, "task_id": task_id, "source": source}
        where = "".join(f" AND {name} = :{name}" for name, value in wanted.items() if value is not None)
        rows = self._store.rows(f"SELECT * FROM current_rankings WHERE 1{where} ORDER BY created_at, id", wanted)
        return [self._ranking(row) for row in rows]

    def count(self) -> int:
        """Count the current rankings."""
        return self._store.value("SELECT count(*) FROM current_rankings")

    def events(self) -> list[Ranking]:
        """Return every event, in order, without those of unfinished imports."""
        rows = self._store.rows(f"SELECT * FROM rankings WHERE {IMPORT_DONE} ORDER BY rowid")
        return [self._ranking(row) for row in rows]

    def rationale(self, id: str) -> str | None:
        """Return the labeler's rationale; None if there is none or it was erased."""
        return self._store.value("SELECT text FROM ranking_rationales WHERE ranking_id = ?", [id])

    def _distinct(self, prompt_id: int, completion_ids: Sequence[str]) -> list[str]:
        """Return the first answer of each text, in the given order. Raises BadInput for answers to another prompt."""
        texts: dict[str, str] = {}
        for id in completion_ids:
            text = self._store.value("SELECT text FROM completions WHERE id = ? AND prompt_id = ?", [id, prompt_id])
            if text is None:
                raise BadInput(f"{id!r} is no completion of prompt {prompt_id}")
            texts.setdefault(text, id)
        return list(texts.values())

    def _refuse_second_answer(self, row: Mapping[str, Any]) -> None:
        if row["supersedes"] is None:
            if self._store.value(
                "SELECT 1 FROM rankings WHERE assignment_id = ? AND supersedes IS NULL", [row["assignment_id"]]
            ):
                raise Refused.of("error.assignment_answered", id=row["assignment_id"])
            return
        old = self._store.value("SELECT assignment_id FROM rankings WHERE id = ?", [row["supersedes"]])
        if old != row["assignment_id"] or self._store.value(
            "SELECT 1 FROM rankings WHERE supersedes = ?", [row["supersedes"]]
        ):
            raise Refused.of("error.ranking_not_current", field="supersedes", id=row["supersedes"])

    def _ranking(self, row: Mapping[str, Any]) -> Ranking:
        places = self._store.rows(
            "SELECT completion_id, place FROM ranking_places WHERE ranking_id = ? ORDER BY place, position", [row["id"]]
        )
        values = {name: row[name] for name in Ranking.__dataclass_fields__ if name != "places"}
        values |= {name: bool(row[name]) for name in ("unchanged", "late")}
        return Ranking(**values, places={answer["completion_id"]: answer["place"] for answer in places})


def task_hash(completion_ids: Sequence[str]) -> str:
    """Return the hash of a task: the same answers are the same task."""
    return content_hash("ranking", sorted(completion_ids))


COLUMNS = frozenset(NewRanking.__annotations__) - {"positions", "places", "rationale"}


def _checked(event: NewRanking) -> dict[str, int]:
    """Return the places, without gaps: 1, 1, 3 and 1, 1, 2 are the same order.

    Raises BadInput if they do not fit.
    """
    places = dict(event.get("places") or {})
    if event["verdict"] != "ranked":
        return {}
    if set(places) != set(event["positions"]):
        raise BadInput.of("error.ranking_places", field="places", count=len(event["positions"]))
    for id, place in places.items():
        if type(place) is not int or not 1 <= place <= MOST:
            raise BadInput.of("error.ranking_place", field="places", place=place, id=id, most=MOST)
    order = sorted(set(places.values()))
    return {id: order.index(place) + 1 for id, place in places.items()}


def _unchanged(positions: Sequence[str], places: Mapping[str, int]) -> bool:
    return bool(places) and [places[answer] for answer in positions] == list(range(1, len(positions) + 1))

# SPDX-License-Identifier: Apache-2.0
"""Labeling projects: their pairs, guidelines, members and overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from data.clock import now
from data.errors import BadInput
from data.records import Account
from data.sqlite.schema.projects import STANDARD_GUIDELINE, STANDARD_PROJECT
from data.sqlite.table import Table
from data.tables.forms import Form
from data.tables.project_settings import Changes, Settings, checked_guideline, settings_row

PROJECT = """SELECT p.*, (SELECT max(version) FROM guidelines AS g WHERE g.project_id = p.id) AS guideline_version FROM projects AS p"""


@dataclass(frozen=True, slots=True)
class Project:
    """A labeling project. `overlap`: labelers for an item on average; the rates are shares of what a labeler is handed.

    `everyone`: every labeler without a membership is in it. `closed`: its items are handed to nobody. `guideline_version` is the newest one.
    """

    id: int
    name: str
    form: Form
    overlap: float
    gold_rate: float
    repeat_rate: float
    everyone: bool
    closed: bool
    guideline_version: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Guideline:
    """One version of the guideline, as Markdown."""

    project_id: int
    version: int
    text: str
    created_at: str


class Projects(Table):
    """The projects, their guidelines and their people.

    Project 1, Standard, has every pair and every labeler without another project.
    """

    def add(self, name: str, guideline: str = STANDARD_GUIDELINE, **settings: Unpack[Settings]) -> Project:
        """Add a project.

        Raises BadInput for a name that is malformed or taken, or a setting out of range.
        """
        row = settings_row({"name": name, **settings})
        text = checked_guideline(guideline)
        with self._store.transaction():
            self._refuse_taken(row["name"], 0)
            id = self._store.insert("projects", row | {"created_at": now()})
            self._store.insert("guidelines", {"project_id": id, "version": 1, "text": text, "created_at": now()})
            return self.get(id)

    def get(self, id: int) -> Project:
        """Return the project. Raises BadInput if there is none."""
        row = self._store.maybe(f"{PROJECT} WHERE p.id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_project", id=id)
        return _project(row)

    def by_name(self, name: str) -> Project:
        """Return the project of that name, in any case. Raises BadInput if there is none."""
        row = self._store.maybe(f"{PROJECT} WHERE p.name = ? COLLATE NOCASE", [name.strip()])
        if row is None:
            names = ", ".join(project.name for project in self.all())
            raise BadInput.of("error.project_unknown", project=name, projects=names, field="project")
        return _project(row)

    def all(self) -> list[Project]:
        """Return every project, oldest first."""
        return [_project(row) for row in self._store.rows(f"{PROJECT} ORDER BY p.id")]

    def change(self, id: int, **changes: Unpack[Changes]) -> Project:
        """Change the name, guideline, form or settings of a project.

        Raises BadInput for an unknown project, a taken name, or a setting out of range.

        A changed guideline or form becomes a new version. Every answer names its version.
        """
        text = checked_guideline(changes.pop("guideline")) if "guideline" in changes else None
        row = settings_row(changes)
        with self._store.transaction():
            form, newest = self.get(id).form.written(), self.guideline(id)
            if text not in (None, newest.text) or row.get("form", form) != form:
                version = {
                    "project_id": id,
                    "version": newest.version + 1,
                    "text": text or newest.text,
                    "created_at": now(),
                }
                self._store.insert("guidelines", version)
            if "name" in row:
                self._refuse_taken(row["name"], id)
            for name, value in row.items():
                self._store.execute(f"UPDATE projects SET {name} = ? WHERE id = ?", [value, id])
            return self.get(id)

    def guideline(self, id: int, version: int | None = None) -> Guideline:
        """Return the project's guideline of a version, the newest by default. Raises BadInput if there is none."""
        sql = "SELECT * FROM guidelines WHERE project_id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1"
        row = self._store.maybe(sql, [id, version])
        if row is None:
            raise BadInput.of(
                "error.guideline_version" if version else "error.guideline_none", project=id, version=version
            )
        return Guideline(**row)

    def add_members(self, id: int, accounts: Sequence[Account]) -> None:
        """Add members to a project; existing ones stay."""
        with self._store.transaction():
            self.get(id)
            self._store.insert_many(
                "members", ("project_id", "account_id", "created_at"), [(id, account.id, now()) for account in accounts]
            )

    def remove_members(self, id: int, accounts: Sequence[Account]) -> None:
        """Remove members. Their answers stay, and they may still answer the items that they hold."""
        with self._store.transaction():
            for account in accounts:
                self._store.execute("DELETE FROM members WHERE project_id = ? AND account_id = ?", [id, account.id])

    def members(self, id: int) -> list[str]:
        """Return the names of the members, in alphabetical order."""
        sql = "SELECT a.name FROM members AS m JOIN accounts AS a ON a.id = m.account_id WHERE m.project_id = ? ORDER BY a.name"
        return [row["name"] for row in self._store.rows(sql, [id])]

    def open_for(self, account: Account) -> list[Project]:
        """Return the open projects whose items this account may be handed.

        A researcher gets all. A member of any project, closed ones included, gets the projects with their membership.
        Everybody else gets the projects for everyone. Projects for everyone come last.
        """
        sql = f"""{PROJECT} WHERE NOT p.closed AND (?2
            OR EXISTS (SELECT 1 FROM members AS m WHERE m.project_id = p.id AND m.account_id = ?1)
            OR p.everyone AND NOT EXISTS (SELECT 1 FROM members AS m WHERE m.account_id = ?1)) ORDER BY p.everyone, p.id"""
        return [_project(row) for row in self._store.rows(sql, [account.id, int(account.role == "researcher")])]

    def counts(self, id: int) -> dict[str, int]:
        """Return {pairs, judged, rankings, ranked, gold, answers, labelers}.

        Judged and ranked items have an answer by a person.
        """
        return self._store.one(COUNTS, [id])

    def move_pairs(self, id: int, pair_ids: Sequence[int]) -> int:
        """Move pairs into the project; return their number. Their earlier comparisons stay with the former project."""
        sql = "UPDATE pairs SET project_id = ?1 WHERE id = ?2 AND project_id != ?1"
        with self._store.transaction():
            self.get(id)
            return sum(self._store.execute(sql, [id, pair_id]) for pair_id in pair_ids)

    def move_unjudged(
        self,
        id: int,
        *,
        from_id: int = 1,
        run_id: int | None = None,
        source: str | None = None,
        limit: int | None = None,
    ) -> int:
        """Move unjudged items of another project into this one; return their number.

        Takes all of them, those of a run, or those of a source's prompts: at most `limit` pairs, oldest first, and
        the ranking tasks of the same origin.
        """
        values = {"id": id, "from": from_id, "run": run_id, "source": source, "limit": -1 if limit is None else limit}
        with self._store.transaction():
            self.get(id), self.get(from_id)
            pairs = self._store.rows(
                UNJUDGED.format(table="queue AS q JOIN pairs AS t ON t.id = q.pair_id", judged="q"), values
            )
            tasks = self._store.rows(UNJUDGED.format(table="ranking_tasks AS t", judged="t"), values)
            for task in tasks:
                self._store.execute("UPDATE ranking_tasks SET project_id = ? WHERE id = ?", [id, task["id"]])
            return self.move_pairs(id, [pair["id"] for pair in pairs]) + len(tasks)

    def _refuse_taken(self, name: str, but: int) -> None:
        if self._store.value("SELECT 1 FROM projects WHERE name = ? COLLATE NOCASE AND id != ?", [name, but]):
            raise BadInput.of("error.project_exists", project=name, field="name")


UNJUDGED = """
SELECT t.id FROM {table} JOIN prompts AS p ON p.id = t.prompt_id
WHERE t.project_id = :from AND t.project_id != :id AND t.shown AND {judged}.judged = 0
AND (:run IS NULL OR t.run_id = :run) AND (:source IS NULL OR p.source = :source) ORDER BY t.id LIMIT :limit
"""
COUNTS = """
SELECT (SELECT count(*) FROM queue WHERE project_id = ?1) AS pairs,
    (SELECT count(*) FROM queue WHERE project_id = ?1 AND judged > 0) AS judged,
    (SELECT count(*) FROM ranking_tasks WHERE project_id = ?1 AND shown) AS rankings,
    (SELECT count(*) FROM ranking_tasks WHERE project_id = ?1 AND shown AND judged > 0) AS ranked,
    (SELECT count(*) FROM gold CROSS JOIN pairs ON pairs.id = gold.pair_id WHERE pairs.project_id = ?1) AS gold,
    (SELECT coalesce(sum(answers), 0) FROM tallies WHERE project_id = ?1) AS answers,
    (SELECT count(*) FROM tallies WHERE project_id = ?1 AND answers > 0) AS labelers
"""


def _project(row: Mapping[str, Any]) -> Project:
    read = {"form": Form.read(row["form"]), "everyone": bool(row["everyone"]), "closed": bool(row["closed"])}
    return Project(**{**row, **read})


STANDARD = STANDARD_PROJECT[0]

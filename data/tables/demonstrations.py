# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: answers that people write to prompts.

A second person accepts an answer, which makes it an instruction row, or sends it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.clock import now
from data.errors import BadInput, Refused
from data.ids import canonical_json
from data.records import Prompt
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.sqlite.table import Table
from data.tables.accounts import Accounts
from data.tables.imports import import_done
from data.tables.instructions import Instructions, instruction_hash
from data.tables.projects import Projects
from data.tables.prompts import Prompts

LONGEST, LONGEST_REASON = 20_000, 2_000
Verdict = Literal["accepted", "sent_back"]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An answer that a person wrote.

    `comparison_id`: the comparison in which it was edited. `supersedes`: the returned version that it replaces.
    """

    id: str
    prompt_id: int
    author_id: int
    comparison_id: str | None
    project_id: int
    guideline_version: int
    supersedes: str | None
    created_at: str
    text: str


@dataclass(frozen=True, slots=True)
class SentBack:
    """An answer that was sent back to its author, with the reason."""

    demonstration: Demonstration
    reason: str


class Demonstrations(Table):
    """Written answers and their reviews. Events: a new version supersedes, nothing changes."""

    def write(self, id: str, prompt_id: int, author_id: int, text: str, supersedes: str | None = None) -> bool:
        """Record an answer; return False if this id exists already (the client generates it).

        Raises BadInput for a text that is empty, too long or cannot be stored, Refused for an id with another
        content, a prompt that never trains, a `supersedes` that is not one's own answer to this prompt that was
        sent back, or a project that is closed or not one's own.
        """
        text = validate_text(text, LONGEST, "text")
        with self._store.transaction():
            sql = "SELECT d.*, t.text FROM demonstrations AS d LEFT JOIN demonstration_texts AS t ON t.demonstration_id = d.id WHERE d.id = ?"
            old = self._store.maybe(sql, [id])
            if old:
                if (old["prompt_id"], old["author_id"], old["text"]) != (prompt_id, author_id, text):
                    raise Refused.of("error.answer_differs", field="id", id=id)
                return False
            if Prompts(self._store).get(prompt_id).split != "train":
                raise Refused.of("error.prompt_held_out", field="prompt", prompt_id=prompt_id)
            project_id = self._project(supersedes, prompt_id, author_id)
            if project_id not in self._projects(author_id):
                raise Refused.of("error.answer_project", field="project")
            about = {
                "project_id": project_id,
                "guideline_version": Projects(self._store).get(project_id).guideline_version,
            }
            self._insert(
                {"id": id, "prompt_id": prompt_id, "author_id": author_id, "supersedes": supersedes, **about}, text
            )
        return True

    def add_edit(self, comparison: Mapping[str, Any], prompt_id: int, text: str) -> None:
        """Add the improved answer of a comparison to the answers that wait for review.

        Skips prompts that never train.
        """
        if Prompts(self._store).get(prompt_id).split == "train":
            project = {name: comparison[name] for name in ("project_id", "guideline_version")}
            row = {
                "id": comparison["id"],
                "prompt_id": prompt_id,
                "author_id": comparison["labeler_id"],
                "comparison_id": comparison["id"],
            }
            self._insert(row | project, text)

    def review(self, id: str, demonstration_id: str, reviewer_id: int, verdict: Verdict, reason: str = "") -> bool:
        """Accept an answer or send it back; return False if this id exists already.

        An accepted one is an instruction row from this commit on.

        Raises BadInput for an unknown verdict or a missing reason, Refused for one's own answer, one that has its
        review, or one of a project that is closed or that the reviewer is not in.
        """
        if verdict not in ("accepted", "sent_back"):
            raise BadInput.of("error.review_verdict", field="verdict", verdict=verdict)
        reason = validate_text(reason, LONGEST_REASON, "reason") if verdict == "sent_back" else ""
        with self._store.transaction():
            same = "SELECT 1 FROM reviews WHERE id = ? AND reviewer_id = ? AND demonstration_id = ? AND verdict = ?"
            if self._store.value(same, [id, reviewer_id, demonstration_id, verdict]):
                return False
            row = self._store.maybe("SELECT * FROM open_demonstrations WHERE id = ?", [demonstration_id])
            if row is None:
                raise Refused.of("error.reviewed", field="demonstration")
            if row["author_id"] == reviewer_id:
                raise Refused.of("error.own_answer", field="demonstration")
            if row["project_id"] not in self._projects(reviewer_id):
                raise Refused.of("error.answer_elsewhere", field="project")
            event = {
                "id": id,
                "demonstration_id": demonstration_id,
                "reviewer_id": reviewer_id,
                "verdict": verdict,
                "created_at": now(),
            }
            self._store.insert("reviews", event)
            if reason:
                self._store.insert("review_reasons", {"review_id": id, "text": reason})
            if verdict == "accepted":
                self._publish(_demonstration(row))
        return True

    def may_write(self, author_id: int) -> bool:
        """Return whether this person may write answers: those of the Standard project may."""
        return STANDARD_PROJECT[0] in self._projects(author_id)

    def next_prompt(self, author_id: int, after: int = 0) -> Prompt | None:
        """Return the next prompt that trains and has no answer by a person, nor an instruction row.

        `after`: a prompt; the next one after it. None if nothing is left or `may_write` is false.
        """
        if not self.may_write(author_id):
            return None
        sql = f"""SELECT p.id FROM prompts AS p WHERE p.split = 'train' AND {import_done("p")}
            AND NOT EXISTS (SELECT 1 FROM demonstrations AS d WHERE d.prompt_id = p.id)
            AND NOT EXISTS (SELECT 1 FROM instructions AS i WHERE i.prompt_id = p.id)
            AND p.hash > coalesce((SELECT hash FROM prompts WHERE id = ?), '') ORDER BY p.hash LIMIT 1"""
        prompt_id = self._store.value(sql, [after])
        return None if prompt_id is None else Prompts(self._store).get(prompt_id)

    def next_sent_back(self, author_id: int) -> SentBack | None:
        """Return this person's oldest answer that was sent back and not rewritten.

        Its project is open and the person is still a member.
        """
        sql = """SELECT d.*, t.text, coalesce(w.text, '') AS reason FROM reviews AS r JOIN demonstrations AS d ON d.id = r.demonstration_id
            JOIN demonstration_texts AS t ON t.demonstration_id = d.id LEFT JOIN review_reasons AS w ON w.review_id = r.id
            WHERE r.verdict = 'sent_back' AND d.author_id = ?
            AND NOT EXISTS (SELECT 1 FROM demonstrations AS later WHERE later.supersedes = d.id)
            AND d.project_id IN (SELECT value FROM json_each(?)) ORDER BY r.rowid LIMIT 1"""
        row = self._store.maybe(sql, [author_id, canonical_json(self._projects(author_id))])
        return None if row is None else SentBack(_demonstration(row), row["reason"])

    def next_to_review(self, reviewer_id: int) -> Demonstration | None:
        """Return the oldest answer of another person that waits for review, in an open project of the reviewer."""
        sql = "SELECT * FROM open_demonstrations WHERE author_id != ? AND project_id IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT 1"
        row = self._store.maybe(sql, [reviewer_id, canonical_json(self._projects(reviewer_id))])
        return None if row is None else _demonstration(row)

    def counts(self, account_id: int) -> dict[str, int]:
        """Return {written, accepted, waiting, to_review, reviewed} of one person."""
        return self._store.one(COUNTS, [account_id, canonical_json(self._projects(account_id))])

    def origins(self) -> dict[int, Demonstration]:
        """Return the demonstration behind each instruction row that a person wrote, by row id."""
        sql = "SELECT i.id AS row_id, d.*, '' AS text FROM instructions AS i JOIN demonstrations AS d ON d.id = i.demonstration_id"
        return {row["row_id"]: _demonstration(row) for row in self._store.rows(sql)}

    def _insert(self, row: dict[str, Any], text: str) -> None:
        self._store.insert("demonstrations", row | {"created_at": now()})
        self._store.insert("demonstration_texts", {"demonstration_id": row["id"], "text": text})

    def _publish(self, accepted: Demonstration) -> None:
        prompt = Prompts(self._store).get(accepted.prompt_id)
        verb = "edited" if accepted.comparison_id else "written"
        source = f"{verb} by labeler-{accepted.author_id}"
        Instructions(self._store).add(prompt.text, accepted.text, source=source, messages=prompt.messages)
        sql = "UPDATE instructions SET demonstration_id = ? WHERE hash = ? AND demonstration_id IS NULL"
        self._store.execute(sql, [accepted.id, instruction_hash(prompt.text, "", accepted.text, prompt.messages)])

    def _project(self, superseded: str | None, prompt_id: int, author_id: int) -> int:
        """Return the project of a new answer: that of the answer it replaces, else Standard."""
        if superseded is None:
            return STANDARD_PROJECT[0]
        sql = """SELECT d.project_id FROM reviews AS r JOIN demonstrations AS d ON d.id = r.demonstration_id WHERE d.id = ?1 AND d.prompt_id = ?2
            AND d.author_id = ?3 AND r.verdict = 'sent_back' AND NOT EXISTS (SELECT 1 FROM demonstrations WHERE supersedes = ?1)"""
        project_id = self._store.value(sql, [superseded, prompt_id, author_id])
        if project_id is None:
            raise Refused.of("error.answer_not_yours", field="supersedes", superseded=superseded)
        return project_id

    def _projects(self, account_id: int) -> list[int]:
        return [project.id for project in Projects(self._store).open_for(Accounts(self._store).get(account_id))]


COUNTS = """
SELECT (SELECT count(*) FROM demonstrations WHERE author_id = ?1) AS written,
    (SELECT count(*) FROM reviews AS r JOIN demonstrations AS d ON d.id = r.demonstration_id
        WHERE d.author_id = ?1 AND r.verdict = 'accepted') AS accepted,
    (SELECT count(*) FROM open_demonstrations WHERE author_id = ?1) AS waiting,
    (SELECT count(*) FROM open_demonstrations WHERE author_id != ?1 AND project_id IN (SELECT value FROM json_each(?2))) AS to_review,
    (SELECT count(*) FROM reviews WHERE reviewer_id = ?1) AS reviewed
"""


def validate_text(text: str, most: int, field: str) -> str:
    """Return the text with Unix line ends. Raises BadInput if it is empty, too long or cannot be stored."""
    text = text.replace("\r\n", "\n")
    if not text.strip():
        raise BadInput.of("error.text_empty", field=field, name=field)
    if len(text) > most:
        raise BadInput.of("error.text_long", field=field, name=field, count=len(text), most=most)
    if "\x00" in text or not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text):
        raise BadInput.of("error.text_character", field=field, name=field)
    return text


def _demonstration(row: Mapping[str, Any]) -> Demonstration:
    return Demonstration(**{name: row[name] for name in Demonstration.__dataclass_fields__})

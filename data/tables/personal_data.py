# SPDX-License-Identifier: Apache-2.0
"""Personal data: everything under a person's account, for download or erasure.

An erasure empties what they wrote (rationales, drafts, the authorship of edits, written answers, reasons for
sending back) and their name; the events stay, since training runs and exports refer to them, under the pseudonym
`erased-ID`. A project may allow its labelers less.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.sqlite.table import Table

ALLOWED = ("nothing", "download", "erase")
KINDS = {
    "account": "SELECT id, name, role, created_at FROM accounts WHERE id = ?",
    "assignment": "SELECT * FROM assignments WHERE labeler_id = ? ORDER BY created_at, id",
    "draft": "SELECT d.* FROM drafts AS d JOIN assignments AS a ON a.id = d.assignment_id WHERE a.labeler_id = ?",
    "comparison": "SELECT c.*, w.seconds AS active_seconds, r.text AS rationale FROM comparisons AS c"
    " LEFT JOIN rationales AS r ON r.comparison_id = c.id LEFT JOIN attention AS w ON w.event_id = c.id"
    " WHERE c.labeler_id = ? ORDER BY c.rowid",
    "aspect": "SELECT x.* FROM comparison_aspects AS x JOIN comparisons AS c ON c.id = x.comparison_id WHERE c.labeler_id = ?",
    "edit": "SELECT e.*, c.text FROM edits AS e JOIN completions AS c ON c.id = e.completion_id WHERE e.labeler_id = ?",
    "ranking": "SELECT r.*, w.seconds AS active_seconds, t.text AS rationale FROM rankings AS r"
    " LEFT JOIN ranking_rationales AS t ON t.ranking_id = r.id LEFT JOIN attention AS w ON w.event_id = r.id"
    " WHERE r.labeler_id = ? ORDER BY r.rowid",
    "place": "SELECT p.* FROM ranking_places AS p JOIN rankings AS r ON r.id = p.ranking_id WHERE r.labeler_id = ?",
    "rating": "SELECT * FROM ratings WHERE labeler_id = ? ORDER BY rowid",
    "demonstration": "SELECT d.*, t.text FROM demonstrations AS d LEFT JOIN demonstration_texts AS t ON t.demonstration_id = d.id"
    " WHERE d.author_id = ? ORDER BY d.rowid",
    "review": "SELECT r.*, w.text AS reason FROM reviews AS r LEFT JOIN review_reasons AS w ON w.review_id = r.id WHERE r.reviewer_id = ?",
    "act": "SELECT a.created_at, a.action, a.detail, d.address FROM audit AS a"
    " LEFT JOIN audit_addresses AS d ON d.audit_id = a.id WHERE a.actor = 'account ' || ? ORDER BY a.id",
    "skip": "SELECT s.* FROM skips AS s JOIN assignments AS a ON a.id = s.assignment_id WHERE a.labeler_id = ?",
}
ERASED = (
    "DELETE FROM rationales WHERE comparison_id IN (SELECT id FROM comparisons WHERE labeler_id = ?)",
    "DELETE FROM ranking_rationales WHERE ranking_id IN (SELECT id FROM rankings WHERE labeler_id = ?)",
    "DELETE FROM drafts WHERE assignment_id IN (SELECT id FROM assignments WHERE labeler_id = ?)",
    "DELETE FROM edits WHERE labeler_id = ?",
    "DELETE FROM demonstration_texts WHERE demonstration_id IN (SELECT id FROM demonstrations WHERE author_id = ?)",
    "DELETE FROM review_reasons WHERE review_id IN (SELECT id FROM reviews WHERE reviewer_id = ?)",
    "DELETE FROM audit_addresses WHERE audit_id IN (SELECT id FROM audit WHERE actor = 'account ' || ?)",
    "DELETE FROM tokens WHERE account_id = ?",
    "DELETE FROM identities WHERE account_id = ?",
    "DELETE FROM invitations WHERE account_id = ?",
    "UPDATE runs SET created_by = 'erased' WHERE created_by = (SELECT name FROM accounts WHERE id = ?)",
    "UPDATE gold SET set_by = 'erased' WHERE set_by = (SELECT name FROM accounts WHERE id = ?)",
    "UPDATE accounts SET name = 'erased-' || id, password_hash = NULL, disabled = 1 WHERE id = ?",
)


class PersonalData(Table):
    """One person's own data, by the id of their account."""

    def rows(self, account_id: int) -> Iterator[dict[str, Any]]:
        """Yield everything under the account, each row with its `kind`.

        Leaves out the gold marks, which would reveal the check items.
        """
        for kind, sql in KINDS.items():
            for row in self._store.rows(sql, [account_id]):
                yield {"kind": kind, **{name: value for name, value in row.items() if name != "gold"}}

    def erase(self, account_id: int) -> None:
        """Empty what the person wrote and close the account under a pseudonym; open leases return.

        There is no way back.
        """
        self._store.db.conn.execute("PRAGMA secure_delete=on")  # or the texts would stay in the file's free space
        with self._store.transaction():
            for sql in ERASED:
                self._store.execute(sql, [account_id])
            self._store.execute(
                "UPDATE assignments SET expires_at = ?1 WHERE labeler_id = ?2 AND expires_at > ?1", [now(), account_id]
            )

    def truncate_log(self) -> None:
        """Empty the write-ahead log, which still holds the old pages. Call after the erasure's commit."""
        self._store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def allow(self, project_id: int, allowed: str) -> None:
        """Set what labelers of a project may do with their own data.

        'nothing', 'download', or 'erase' (and download). Raises BadInput.
        """
        if allowed not in ALLOWED:
            raise BadInput.of("error.data_rule", field="allowed", allowed=allowed, known=", ".join(ALLOWED))
        self._store.execute(
            "INSERT INTO own_data VALUES (?, ?) ON CONFLICT DO UPDATE SET allowed = excluded.allowed",
            [project_id, allowed],
        )

    def allowed(self, project_id: int) -> str:
        """Return the rule of a project."""
        return self._store.value("SELECT allowed FROM own_data WHERE project_id = ?", [project_id]) or "erase"

    def project_forbidding(self, account_id: int, wanted: str) -> str | None:
        """Return a project of this person's work that does not allow `wanted`; None if all allow it."""
        sql = "SELECT DISTINCT p.id, p.name FROM assignments AS a JOIN projects AS p ON p.id = a.project_id WHERE a.labeler_id = ? ORDER BY p.id"
        rows = self._store.rows(sql, [account_id])
        return next(
            (row["name"] for row in rows if ALLOWED.index(self.allowed(row["id"])) < ALLOWED.index(wanted)), None
        )

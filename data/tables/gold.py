# SPDX-License-Identifier: Apache-2.0
"""Gold items: pairs whose verdict a researcher knows.

Every labeler gets them without a mark. Training uses them only on request.
"""

from __future__ import annotations

from dataclasses import dataclass

from data.clock import now
from data.errors import BadInput
from data.records import Account
from data.sqlite.table import Table

OUTCOMES = ("winner", "tie", "both_bad")


@dataclass(frozen=True, slots=True)
class GoldItem:
    """A pair with its right verdict: `outcome` 'winner' (then `winner_id`), 'tie' or 'both_bad'."""

    pair_id: int
    outcome: str
    winner_id: str | None
    note: str
    set_by: str
    created_at: str


JUDGED = """
SELECT c.pair_id, c.winner_id, c.verdict, r.text AS note FROM counted_comparisons AS c JOIN pairs AS p ON p.id = c.pair_id
LEFT JOIN rationales AS r ON r.comparison_id = c.id WHERE p.project_id = ? AND c.labeler_id = ? ORDER BY c.created_at
"""


class Gold(Table):
    """The gold items."""

    def set(self, pair_id: int, winner_id: str | None, *, by: str, outcome: str = "winner", note: str = "") -> GoldItem:
        """Set the right verdict on a pair, replacing the former one.

        Raises BadInput for an unknown pair, or a verdict that does not fit it.
        """
        pair = self._store.maybe("SELECT first_id, second_id, shown FROM pairs WHERE id = ?", [pair_id])
        if pair is None:
            raise BadInput.of("error.pair_none", field="pair", pair_id=pair_id)
        if outcome not in OUTCOMES:
            raise BadInput.of("error.outcome", field="outcome", outcome=outcome, known=", ".join(OUTCOMES))
        if (winner_id in (pair["first_id"], pair["second_id"])) != (outcome == "winner"):
            raise BadInput.of("error.gold_winner", field="winner", winner_id=winner_id, pair_id=pair_id)
        created_at = now()
        row = {
            "pair_id": pair_id,
            "outcome": outcome,
            "winner_id": winner_id,
            "note": note,
            "set_by": by,
            "created_at": created_at,
        }
        with self._store.transaction():
            self._store.execute("DELETE FROM gold WHERE pair_id = ?", [pair_id])
            self._store.insert("gold", row)
        return GoldItem(pair_id, outcome, winner_id, note, by, created_at)

    def set_from_comparisons(self, project_id: int, account: Account) -> int:
        """Set gold items from the current comparisons of one person in the project; return their number.

        Skips repeats and withdrawn answers.
        """
        with self._store.transaction():
            answers = self._store.rows(JUDGED, [project_id, account.id])
            for row in answers:
                outcome = "winner" if row["winner_id"] else row["verdict"]
                self.set(row["pair_id"], row["winner_id"], by=account.name, outcome=outcome, note=row["note"] or "")
        return len(answers)

    def unset(self, pair_id: int) -> None:
        """Make a gold item an ordinary pair again. Raises BadInput if it is none.

        Answers given while the pair was gold stay out of training.
        """
        if not self._store.execute("DELETE FROM gold WHERE pair_id = ?", [pair_id]):
            raise BadInput.of("error.not_gold", field="pair", pair_id=pair_id)

    def get(self, pair_id: int) -> GoldItem | None:
        """Return the gold item of a pair, None for an ordinary pair."""
        row = self._store.maybe("SELECT * FROM gold WHERE pair_id = ?", [pair_id])
        return GoldItem(**row) if row else None

    def all(self, project_id: int | None = None) -> list[GoldItem]:
        """Return every gold item, or those of a project, oldest first."""
        sql = "SELECT gold.* FROM gold JOIN pairs ON pairs.id = pair_id WHERE ?1 IS NULL OR project_id = ?1 ORDER BY gold.created_at, pair_id"
        return [GoldItem(**row) for row in self._store.rows(sql, [project_id])]

# SPDX-License-Identifier: Apache-2.0
"""Evaluations of a policy, alone or against another. A new report never replaces an old one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from data.clock import now
from data.ids import canonical_json
from data.intervals import METHOD, share_interval
from data.records import Evaluation
from data.sqlite.table import Table

SCORE_DIGITS = 9
"""Decimals in which two scores must differ to be no tie."""


class Evaluations(Table):
    """Reports by the rubric, by simulated labelers, by reward models. People's win rates come from comparisons."""

    def add(
        self,
        policy_id: int,
        against_id: int | None,
        judge: str,
        report: Mapping[str, Any],
        run_id: int | None = None,
    ) -> Evaluation:
        """Add a report. `judge`: 'rubric', 'simulated', or a reward model's public id."""
        row = {"policy_id": policy_id, "against_id": against_id, "judge": judge, "report": canonical_json(dict(report))}
        id = self._store.insert("evaluations", row | {"run_id": run_id, "created_at": now()})
        return _evaluation(self._store.one("SELECT * FROM evaluations WHERE id = ?", [id]))

    def latest(self, policy_id: int, against_id: int | None, judge: str) -> Evaluation | None:
        """Return the newest report of that judge on those two, or None."""
        sql = "SELECT * FROM evaluations WHERE policy_id = ? AND against_id IS ? AND judge = ? ORDER BY id DESC"
        row = self._store.maybe(sql, [policy_id, against_id, judge])
        return None if row is None else _evaluation(row)

    def all(self, policy_id: int | None = None) -> list[Evaluation]:
        """Return reports, oldest first; of one policy if given."""
        sql = "SELECT * FROM evaluations WHERE ?1 IS NULL OR policy_id = ?1 ORDER BY id"
        return [_evaluation(row) for row in self._store.rows(sql, [policy_id])]


def _evaluation(row: Mapping[str, Any]) -> Evaluation:
    return Evaluation(**{**row, "report": _with_current_interval(json.loads(row["report"]))})


def _with_current_interval(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report. Compute the interval of an earlier version's win rate again from the scores it holds."""
    draws = report.get("gold_draws")
    if not draws or report.get("interval_method") == METHOD:
        return report
    differences = np.array(draws["end"], dtype=float) - np.array(draws["start"], dtype=float)
    outcomes = (np.sign(np.round(differences, SCORE_DIGITS)) + 1) / 2
    return {**report, "win_rate_ci": list(share_interval(outcomes.mean(axis=0))), "interval_method": METHOD}

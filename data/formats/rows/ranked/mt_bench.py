# SPDX-License-Identifier: Apache-2.0
"""MT-bench's judgments: the conversations of two models, the judge's vote, and the `turn` that was judged.

Both conversations hold all turns. A vote on turn 1 compares the first answers only; what comes after is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows import arena
from data.formats.rows.fields import BadRow, Row, read_number
from data.formats.shapes import PairShape, PromptShape

NAME = "mt-bench"
NEEDS = (frozenset({"question_id", "conversation_a", "conversation_b", "judge", "turn"}),)
COLUMNS = arena.COLUMNS | {"turn": "turn of the vote"}


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the row lacks the columns of the arena's battles."""
    return row.keys().isdisjoint(("anony", "tstamp"))


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt of the judged turn."""
    return arena.read_battle_prompt(row, _turn(row))


def read_preference(row: Row) -> PairShape:
    """Return both answers of the judged turn and the vote."""
    return arena.read_battle(row, _turn(row))


def _turn(row: Row) -> int:
    turn = read_number(row, "turn")
    if turn is None or turn < 1 or turn != int(turn):
        raise BadRow.of("row.turn", "turn", given=str(row.get("turn"))[:40])
    return int(turn)

# SPDX-License-Identifier: Apache-2.0
"""HelpSteer2's preferences and HelpSteer3: two responses, and a preference of -3 (the first) to 3 (the second).

HelpSteer2 holds `prompt`, `response_1`, `response_2` and `preference_strength`; HelpSteer3 `context` (messages),
`response1`, `response2` and `overall_preference`. The strengths are the margins of a graded comparison. Turns of a
prompt of HelpSteer2 stand between marks of the Nemotron template.
"""

from __future__ import annotations

import re

from data.formats.rows.conversation import add_context, make_prompt, note_marks, read_prompt_value
from data.formats.rows.fields import BadRow, Row, check_text, read_field, read_number
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import check_learned, read_source
from data.formats.shapes import CLEARLY, MARGINS, PairShape, PromptShape, Vote

NAME = "helpsteer-preference"
NEEDS = (
    frozenset({"prompt", "response_1", "response_2", "preference_strength"}),
    frozenset({"context", "response1", "response2", "overall_preference"}),
)
REASONS = ("preference_statement", "preference_elaboration")
"""Texts that explain the vote. Comparisons of files have no rationale."""
COLUMNS = {
    "prompt": "prompt",
    "context": "turns",
    **dict.fromkeys(("response_1", "response_2", "response1", "response2"), "answer"),
    **dict.fromkeys(("preference_strength", "overall_preference"), "vote"),
    **dict.fromkeys(REASONS, "reason, not stored"),
}
TURN = re.compile(r"\n<extra_id_1>(User|Assistant)\n")
ROLES = {"User": "user", "Assistant": "assistant"}


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt, or all turns of the conversation."""
    if "context" in row:
        return add_context(row, make_prompt(read_messages(row, "context"), "context"))
    return add_context(row, read_marked_prompt(row, "prompt"))


def read_preference(row: Row) -> PairShape:
    """Return the two responses and the vote, none if the row has no preference."""
    check_learned(row)
    keys = ("response1", "response2") if "context" in row else ("response_1", "response_2")
    first, second = ((check_text(read_field(row, key), key, blank=True), None) for key in keys)
    for key in keys:
        note_marks(row, row.get(key) or "", key)
    votes = () if not row.judged else _votes(row, "overall_preference" if "context" in row else "preference_strength")
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))


def read_marked_prompt(row: Row, key: str) -> PromptShape:
    """Return a prompt of HelpSteer 1 or 2: a text, or turns between marks. Raises BadRow."""
    if not isinstance(row.peek(key), str) or "<extra_id_1>" not in row[key]:
        return read_prompt_value(row, key)
    first, *rest = TURN.split(check_text(row[key], key))
    turns = [{"role": "user", "content": check_text(first, key)}]
    for name, said in zip(rest[::2], rest[1::2], strict=True):
        turns.append({"role": ROLES[name], "content": check_text(said, key)})
    return make_prompt(turns, key)


def _votes(row: Row, key: str) -> tuple[Vote, ...]:
    for reason in REASONS:
        row.get(reason)
    strength = read_number(row, key)
    if strength is None:
        return ()
    if strength and abs(strength) not in MARGINS:
        raise BadRow.of("row.strength", key, given=str(row[key])[:40])
    return (Vote(int(strength > 0), int(abs(strength))) if strength else Vote(None, CLEARLY),)

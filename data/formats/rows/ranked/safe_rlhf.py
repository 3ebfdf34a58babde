# SPDX-License-Identifier: Apache-2.0
"""PKU-SafeRLHF: a prompt, two responses, the more helpful one, and the safer one.

`better_response_id` is the verdict. It and `safer_response_id` are the aspects `helpful` and `safe`.
"""

from __future__ import annotations

from data.formats.rows.conversation import read_answer, read_prompt_with_context
from data.formats.rows.fields import Row, read_flag, read_optional_text
from data.formats.rows.preference_metadata import check_learned, read_source
from data.formats.shapes import PairShape, PromptShape, Vote

NAME = "pku-saferlhf"
NEEDS = (
    frozenset({"prompt", "response_0", "response_1"}),
    frozenset({"prompt", "response_0", "response_1", "safer_response_id"}),
)
COLUMNS = {
    "prompt": "prompt",
    **dict.fromkeys(("response_0", "response_1"), "answer"),
    **dict.fromkeys(("response_0_source", "response_1_source"), "model"),
    "better_response_id": "vote",
    "safer_response_id": "vote",
}
CRITERIA = {"helpful": "better_response_id", "safe": "safer_response_id"}


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt."""
    return read_prompt_with_context(row, "prompt")


def read_preference(row: Row) -> PairShape:
    """Return the two responses, the vote for the more helpful one, and both criteria."""
    check_learned(row)
    first, second = (
        (read_answer(row, f"response_{number}", blank=True), read_optional_text(row, f"response_{number}_source"))
        for number in range(2)
    )
    votes = () if not row.judged else _votes(row)
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))


def _votes(row: Row) -> tuple[Vote, ...]:
    chosen = {name: read_flag(row, column) for name, column in CRITERIA.items()}
    aspects = tuple((name, int(second)) for name, second in chosen.items() if second is not None)
    better = chosen["helpful"]
    return () if better is None else (Vote(int(better), aspects=aspects),)

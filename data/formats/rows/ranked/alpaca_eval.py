# SPDX-License-Identifier: Apache-2.0
"""AlpacaEval's annotations: an instruction, the outputs of two models, and the annotator's `preference`.

1 is the first output, 2 the second, 1.5 or 0 a tie. A weighted annotator gives any number from 1 to 2: one plus the
probability of the second output. Its distance from 1.5 gives the margin. Outputs of one model (`instruction`, `output`,
`generator`) are completions.
"""

from __future__ import annotations

from data.formats.rows import alpaca
from data.formats.rows.conversation import read_answer
from data.formats.rows.fields import BadRow, Row, read_number, read_optional_text
from data.formats.rows.preference_metadata import check_learned, read_labeler, read_source
from data.formats.rows.ranked.grading import grade
from data.formats.shapes import CLEARLY, PairShape, PromptShape, Vote

NAME = "alpaca-eval"
NEEDS = (frozenset({"instruction", "output_1", "output_2"}),)
COLUMNS = {
    **dict.fromkeys(("instruction", "input"), "prompt"),
    **dict.fromkeys(("output_1", "output_2"), "answer"),
    **dict.fromkeys(("generator_1", "generator_2"), "model"),
    "preference": "vote",
    "annotator": "labeler",
}
TIE, SPAN = 1.5, 0.5


def read_prompt(row: Row) -> PromptShape:
    """Return the instruction with its input."""
    return alpaca.read_only_prompt(row)


def read_preference(row: Row) -> PairShape:
    """Return the two outputs and the annotator's vote, none if it gave no preference."""
    check_learned(row)
    first, second = (
        (read_answer(row, f"output_{number}", blank=True), read_optional_text(row, f"generator_{number}"))
        for number in (1, 2)
    )
    votes = () if not row.judged else _votes(row)
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))


def _votes(row: Row) -> tuple[Vote, ...]:
    preference = read_number(row, "preference")
    if preference is None:
        return ()
    labeler = read_labeler(row, "annotator")
    if preference in (0, TIE):
        return (Vote(None, labeler=labeler),)
    if not 1 <= preference <= 2:
        raise BadRow.of("row.preference_range", "preference", given=preference)
    margin = CLEARLY if preference in (1, 2) else grade(abs(preference - TIE), SPAN)
    return (Vote(int(preference > TIE), margin, labeler),)

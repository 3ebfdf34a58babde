# SPDX-License-Identifier: Apache-2.0
"""Metadata of a preference row: margin, scores, marks, source, labeler, models. Every format shares these columns.

What a row says about its own preference counts: equal scores are a tie, a lower score of the chosen answer is a
contradiction, and a row of weight 0 is not to be learned from.
"""

from __future__ import annotations

from typing import TypedDict

from data.formats.rows.fields import BadRow, Row, check_text, read_flag, read_number, read_optional_text
from data.formats.shapes import CLEARLY, MARGINS, PairShape, PreferenceShape, PromptShape, Vote
from data.formats.tracked_row import remark
from data.tables.verdicts import MACHINES, SOURCES

LONGEST_NAME = 80
COLUMNS = {
    "margin": "margin",
    "source": "source",
    "labeler": "labeler",
    "chosen_model": "model",
    "rejected_model": "model",
    "weight": "weight",
    "train": "mark",
    "status": "mark",
    "comparison": "event of its home",
    "said_in": "event of its home",
    "kind": "kind of event",
}
SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_rating", "rejected_rating"),
)
COLUMNS |= dict.fromkeys((name for names in SCORES for name in names), "score")
MARKS = frozenset({"margin", "weight", "train", "status", *(name for names in SCORES for name in names)})
"""Columns that may say that a row is a tie, contradicts itself or does not count."""
STATUS = {"tie": True, "unchanged": False, "swapped": False}
"""Values of `status` in files that people curated (Argilla) -> whether they mean a tie."""


class Metadata(TypedDict):
    """The arguments of `PreferenceShape` that are not its texts."""

    margin: int
    labeler: str
    source: str
    chosen_model: str | None
    rejected_model: str | None


NOTHING: Metadata = {
    "margin": CLEARLY,
    "labeler": "",
    "source": "import",
    "chosen_model": None,
    "rejected_model": None,
}
"""The metadata of a row that says nothing about itself."""
OWN = frozenset({"margin", "labeler", "source", "chosen_model", "rejected_model"})


def make_preference(row: Row, prompt: PromptShape, chosen: str, rejected: str) -> PreferenceShape | PairShape:
    """Return the preference of a row, or a tie if its marks say so; for pairs only the two answers.

    Raises BadRow if the marks contradict the order of the answers, or say that the row does not count.
    """
    if not row.judged:
        models = (read_optional_text(row, f"{name}_model") for name in ("chosen", "rejected"))
        first, second = zip((chosen, rejected), models, strict=True)
        return PairShape(prompt, (first, second), (), read_source(row))
    marked = not MARKS.isdisjoint(row.names)
    if marked:
        check_learned(row)
    metadata = read_metadata(row)
    if not chosen.strip() and rejected.strip() and row.peek("comparison") is None:
        raise BadRow.of("row.empty", "chosen")
    if not (marked and _is_tie(row)):
        return PreferenceShape(prompt, chosen, rejected, **metadata)
    answers = ((chosen, metadata["chosen_model"]), (rejected, metadata["rejected_model"]))
    return PairShape(prompt, answers, (Vote(None, labeler=metadata["labeler"]),), metadata["source"])


def read_metadata(row: Row) -> Metadata:
    """Return keyword arguments for `PreferenceShape`. Labels of simulated and AI labelers stay such.

    Raises BadRow for a negative margin.
    """
    if OWN.isdisjoint(row.names):
        return NOTHING.copy()
    return {
        "margin": read_margin(row),
        "labeler": read_labeler(row, "labeler"),
        "source": read_source(row),
        "chosen_model": read_optional_text(row, "chosen_model"),
        "rejected_model": read_optional_text(row, "rejected_model"),
    }


def read_margin(row: Row) -> int:
    """Return the margin; a positive one other than 1, 2 or 3 is on another scale and counts as 2.

    Raises BadRow for a negative one.
    """
    margin = read_number(row, "margin")
    if margin is not None and margin < 0:
        raise BadRow.of("row.negative_margin", "margin", margin=margin)
    if margin and margin not in MARGINS:
        row.note(remark("margin"))
    return int(margin) if margin in MARGINS and margin else CLEARLY


def check_learned(row: Row) -> None:
    """Raise BadRow for a row that says it is not to be learned from, or counts in part.

    The weight of an exported row, which names its comparison, follows from its labeler; a home derives it again.
    Completions wait for their own verdict, and nothing is learned from them.
    """
    if not row.judged:
        return
    if read_flag(row, "train") is False:
        raise BadRow.of("row.not_trained", "train")
    if row.peek("comparison") is not None:
        row.leave("weight")
        return
    weight = read_number(row, "weight")
    if weight is not None and weight != 1:
        raise BadRow.of("row.weight_none" if weight == 0 else "row.weight_part", "weight", weight=weight)


def _is_tie(row: Row) -> bool:
    """Return whether margin, status or scores say that neither answer is better."""
    tie = read_number(row, "margin") == 0
    status = row.peek("status")
    if isinstance(status, str) and status.casefold() in STATUS:
        tie |= STATUS[row["status"].casefold()]
    for better, worse in SCORES:
        if better in row and worse in row:
            scores = read_number(row, better), read_number(row, worse)
            if scores[0] is None or scores[1] is None:
                continue
            if scores[0] < scores[1]:
                raise BadRow.of("row.lower_score", better, chosen=scores[0], rejected=scores[1])
            tie |= scores[0] == scores[1]
    return tie


def read_labeler(row: Row, key: str) -> str:
    """Return the labeler's name in the file; empty if the row has none."""
    return check_text(str(row.get(key) or ""), key, blank=True)[:LONGEST_NAME].strip()


def read_source(row: Row) -> str:
    """Return 'simulated' or 'ai' for labels that the file marks so, else 'import'.

    A value that no export writes names the origin of a row, and is not read. Completions have no labels.
    """
    if row.what == "completions" or row.peek("source") not in SOURCES:
        return "import"
    source = row["source"]
    return source if source in MACHINES else "import"

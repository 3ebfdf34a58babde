# SPDX-License-Identifier: Apache-2.0
"""QA-feedback (Fine-Grained RLHF): a question with passages, predictions, and the preference of every two of them.

Preferences stand in the order (1, 2), (1, 3), ... (3, 4): 1 the first prediction, 2 the second, 0 a tie.
"""

from __future__ import annotations

import re
from itertools import combinations

from data.formats.rows.conversation import note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_number, read_text
from data.formats.rows.preference_metadata import check_learned, read_source
from data.formats.rows.ranked.lists import as_part, read_list
from data.formats.shapes import CompletionShape, PairShape, PromptShape, Vote
from data.formats.tracked_row import remark

NAME = "qa-feedback"
NEEDS = (frozenset({"question", "passages"}), frozenset({"question", "passages", "preference"}))
COLUMNS = {"question": "prompt", "passages": "prompt", "preference": "votes"}
CONTENT = "preferences"
PREDICTION = re.compile(r"prediction (\d+)")
WINNERS = {0: None, 1: 0, 2: 1}


def read_prompt(row: Row) -> PromptShape:
    """Return the question, then its passages, a paragraph each."""
    passages = [_passage(value, f"passages[{number}]") for number, value in enumerate(read_list(row, "passages"))]
    return PromptShape("\n\n".join([read_text(row, "question"), *passages]))


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two predictions. Raises BadRow if their number does not fit the preferences."""
    check_learned(row)
    texts, prompt, source = _predictions(row), read_prompt(row), read_source(row)
    couples = list(combinations(texts, 2))
    votes = [()] * len(couples) if not row.judged else _votes(row)
    if len(votes) != len(couples):
        raise BadRow.of("row.predictions", "preference", predictions=len(texts), pairs=len(couples), votes=len(votes))
    shapes = []
    for (first, second), vote in zip(couples, votes, strict=True):
        if first == second:
            row.note(remark("same_text"))
            continue
        shapes.append(PairShape(prompt, ((first, None), (second, None)), vote, source))
    if not shapes:
        raise BadRow.of("row.predictions_same")
    return shapes


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every prediction."""
    prompt = read_prompt(row)
    return [CompletionShape(prompt, text) for text in _predictions(row)]


def _predictions(row: Row) -> list[str]:
    numbers = {int(found[1]): key for key in row if (found := PREDICTION.fullmatch(key))}
    if not numbers:
        raise BadRow.of("row.no_path", "prediction 1", path="prediction 1")
    texts = [check_text(row[numbers[number]], numbers[number], blank=True) for number in sorted(numbers)]
    for text in texts:
        note_marks(row, text, "prediction")
    return texts


def _votes(row: Row) -> list[tuple[Vote, ...]]:
    part = as_part(row, "preference")
    numbers = [read_number(part, key) for key in part]
    if unknown := [number for number in numbers if number not in WINNERS and number is not None]:
        raise BadRow.of("row.preference_votes", "preference", given=unknown[0])
    return [() if number is None else (Vote(WINNERS[int(number)]),) for number in numbers]


def _passage(value: object, where: str) -> str:
    """Return the text of a passage: its title, then its sentences. The first sentence may repeat the title."""
    parts = [check_text(text, where) for text in (value if isinstance(value, list) else [value])]
    if len(parts) > 1 and parts[1].startswith(f"{parts[0]}\n"):
        parts = parts[1:]
    elif len(parts) > 1:
        parts[:2] = [f"{parts[0]}\n\n{parts[1]}"]
    return " ".join(parts)

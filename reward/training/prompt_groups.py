# SPDX-License-Identifier: Apache-2.0
"""Batch elements: the answers to one prompt that comparisons connect, each of them once.

What was recorded about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from datasets import Dataset

from reward.training.rows import EncodedComparison


@dataclass(slots=True)
class PromptGroup:
    """A prompt and its answers as ids, and comparisons.

    Places of two answers, signed grade (0 a tie), weight (mean 1).
    """

    prompt: list[int]
    answers: list[list[int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    grade: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Length of the prompt with all answers behind it."""
        return len(self.prompt) + sum(map(len, self.answers))


def grade(label: float, margin: int) -> int:
    """Return the margin of the first answer: 3, 2, 1, 0 for a tie, negative if the second is better."""
    return 0 if label == 0.5 else (margin if label == 1.0 else -margin)


def group_by_prompt(rows: Sequence[EncodedComparison]) -> list[PromptGroup]:
    """Return the rows as elements in the order of their first row.

    A ranking of K answers, or several people's labels of a pair, is one.
    """
    mean = sum(each.row.weight for each in rows) / len(rows)
    roots = _roots(rows)
    found: dict[tuple[int, str], PromptGroup] = {}
    places: dict[tuple[int, str], int] = {}
    for each in rows:
        element = found.setdefault(roots[_answers(each)[0]], PromptGroup(each.prompt))
        pair = [_place(element, places, key, ids) for key, ids in zip(_answers(each), (each.a, each.b), strict=True)]
        element.first.append(pair[0])
        element.second.append(pair[1])
        element.grade.append(grade(each.row.label, each.row.margin))
        element.weight.append(each.row.weight / mean)
    return list(found.values())


def as_dataset(found: Sequence[PromptGroup]) -> Dataset:
    """Return the elements as the columns that PreferenceTrainer reads."""
    columns = ("prompt", "answers", "first", "second", "grade", "weight")
    return Dataset.from_dict({name: [getattr(element, name) for element in found] for name in columns})


def _answers(each: EncodedComparison) -> tuple[tuple[int, str], tuple[int, str]]:
    return (each.row.prompt_id, each.row.a_id), (each.row.prompt_id, each.row.b_id)


def _place(element: PromptGroup, places: dict[tuple[int, str], int], key: tuple[int, str], ids: list[int]) -> int:
    if key not in places:
        places[key] = len(element.answers)
        element.answers.append(ids)
    return places[key]


def _roots(rows: Sequence[EncodedComparison]) -> dict[tuple[int, str], tuple[int, str]]:
    """Every answer's representative: the same for all that comparisons connect (union-find)."""
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def root(key: tuple[int, str]) -> tuple[int, str]:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for each in rows:
        a, b = map(root, _answers(each))
        parent[b] = a
    return {key: root(key) for key in parent}

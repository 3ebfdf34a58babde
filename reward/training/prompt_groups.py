# SPDX-License-Identifier: Apache-2.0
"""Prompt groups, the elements of a batch: answers to one prompt that comparisons connect, each answer once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from datasets import Dataset

from reward.training.rows import EncodedComparison

COLUMNS = ["prompt", "answers", "first", "second", "grade", "weight"]
AnswerKey = tuple[int, str]
"""A prompt's id and an answer's id."""


@dataclass(slots=True)
class PromptGroup:
    """A prompt and its answers as ids, and the comparisons of the answers.

    Comparison i is between the answers at positions `first[i]` and `second[i]`. It has a signed grade (0 a tie) and a
    weight (mean 1 over all groups).
    """

    prompt: list[int]
    answers: list[list[int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    grade: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """The number of tokens of the prompt and all answers."""
        return len(self.prompt) + sum(map(len, self.answers))


def grade(label: float, margin: int) -> int:
    """Return the signed margin: 1 to 3 if the first answer is better, 0 for a tie, negative if the second is better."""
    return 0 if label == 0.5 else (margin if label == 1.0 else -margin)


def group_by_prompt(rows: Sequence[EncodedComparison]) -> list[PromptGroup]:
    """Return the comparisons as groups, in the order of each group's first comparison.

    A ranking of K answers is one group, and so are several people's labels of one pair.
    """
    mean_weight = sum(comparison.row.weight for comparison in rows) / len(rows)
    roots = _roots(rows)
    groups: dict[AnswerKey, PromptGroup] = {}
    positions: dict[AnswerKey, int] = {}
    for comparison in rows:
        a_key, b_key = _answer_keys(comparison)
        group = groups.setdefault(roots[a_key], PromptGroup(comparison.prompt))
        group.first.append(_position(group, positions, a_key, comparison.a))
        group.second.append(_position(group, positions, b_key, comparison.b))
        group.grade.append(grade(comparison.row.label, comparison.row.margin))
        group.weight.append(comparison.row.weight / mean_weight)
    return list(groups.values())


def as_dataset(groups: Sequence[PromptGroup]) -> Dataset:
    """Return the groups as a dataset with the COLUMNS."""
    return Dataset.from_dict({name: [getattr(group, name) for group in groups] for name in COLUMNS})


def _answer_keys(comparison: EncodedComparison) -> tuple[AnswerKey, AnswerKey]:
    row = comparison.row
    return (row.prompt_id, row.a_id), (row.prompt_id, row.b_id)


def _position(group: PromptGroup, positions: dict[AnswerKey, int], key: AnswerKey, ids: list[int]) -> int:
    """Return an answer's position in its group, after adding it if it is new."""
    if key not in positions:
        positions[key] = len(group.answers)
        group.answers.append(ids)
    return positions[key]


def _roots(rows: Sequence[EncodedComparison]) -> dict[AnswerKey, AnswerKey]:
    """Return every answer's representative, which connected answers share (union-find)."""
    parent: dict[AnswerKey, AnswerKey] = {}

    def root(key: AnswerKey) -> AnswerKey:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for comparison in rows:
        a, b = map(root, _answer_keys(comparison))
        parent[b] = a
    return {key: root(key) for key in parent}

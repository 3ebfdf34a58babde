"""The comparisons of a run: frozen as a snapshot, split by prompt, and written as the token ids that were sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from datasets import Dataset

from data.context import RunContext
from data.errors import BadInput
from data.frozen import frozen_rows
from data.preferences import preference_rows
from data.records import PreferenceRow, Snapshot
from reward.base import Base
from reward.parts import ALL, within
from reward.settings import RewardSettings


def run_rows(context: RunContext, settings: RewardSettings) -> tuple[Snapshot, list[PreferenceRow]]:
    """The snapshot this run trains on and its rows of all splits, those to train on only of the run's part of the prompts.

    A run that goes on keeps the snapshot it began with. Raises BadInput where no comparison is of a training prompt, or
    one that would be trained on is of a test prompt.
    """

    def current() -> list[dict]:
        return [asdict(row) for row in preference_rows(context.store, source=settings.labels)]

    snapshot, frozen = frozen_rows(context, "preferences", settings.snapshot, current, {"labels": settings.labels})
    rows = [PreferenceRow(**row) for row in frozen if row["split"] != "train" or within(row["prompt"], settings.part)]
    if not any(row.split == "train" for row in rows):
        where = "" if settings.part == ALL else f" of the part {settings.part}"
        raise BadInput(f"none of the comparisons is of a training prompt{where}", "Sample and label more prompts.", field="labels")
    return snapshot, rows


@dataclass(frozen=True, slots=True)
class Encoded:
    """A comparison as ids: the prompt's, and those of both answers with their end tokens."""

    row: PreferenceRow
    prompt: list[int]
    a: list[int]
    b: list[int]


class RowEncoder:
    """Writes comparisons as ids of one base; `omitted` counts those longer than its context."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.omitted = 0
        self._prompts: dict[int, list[int]] = {}

    def encode(self, rows: Sequence[PreferenceRow]) -> list[Encoded]:
        """The rows that fit into the context, in their order."""
        encoded = [self._one(row) for row in rows]
        fitting = [e for e in encoded if len(e.prompt) + max(len(e.a), len(e.b)) <= self.base.context]
        self.omitted += len(encoded) - len(fitting)
        return fitting

    def answer(self, ids: list[int] | None, text: str) -> list[int]:
        """The stored ids where they are of this tokenizer, else the text's."""
        if ids and max(ids) < self.base.encoding.rows and self.base.decode(ids) == text:
            return self.base.encoding.ended(ids)
        return self.base.encode_completion(text)

    def _one(self, row: PreferenceRow) -> Encoded:
        if row.prompt_id not in self._prompts:
            self._prompts[row.prompt_id] = self.base.encoding.template(row.messages or row.prompt)
        answers = (self.answer(row.a_token_ids, row.a_text), self.answer(row.b_token_ids, row.b_text))
        return Encoded(row, self._prompts[row.prompt_id], *answers)


def training_set(rows: Sequence[Encoded]) -> Dataset:
    """RewardTrainer's columns: chosen_ids, rejected_ids, label (0.5 for a tie) and weight (mean 1)."""
    mean = sum(each.row.weight for each in rows) / len(rows)
    return Dataset.from_list([_columns(each, each.row.weight / mean) for each in rows])


def _columns(each: Encoded, weight: float) -> dict:
    better, worse = (each.b, each.a) if each.row.label == 0.0 else (each.a, each.b)
    return {
        "chosen_ids": each.prompt + better,
        "rejected_ids": each.prompt + worse,
        "label": 0.5 if each.row.label == 0.5 else 1.0,
        "weight": weight,
    }

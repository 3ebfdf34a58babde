# SPDX-License-Identifier: Apache-2.0
"""The comparisons of a run: frozen as a snapshot, split by prompt, and encoded as the token ids that were sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from data.records import Snapshot
from data.run_context import RunContext
from data.tables.verdicts import MACHINES
from data.views.frozen_rows import HeldOutRows, TrainingRows, freeze_preferences
from data.views.preferences import ADJECTIVES, PreferenceRow
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.text.shorten import shorten_prompt
from reward.base.text.unusable_prompts import UnusablePrompt
from reward.labels import current_comparisons
from reward.prompt_parts import ALL, is_in_part
from reward.report.left_out import EQUAL, EQUAL_AFTER_CUT, TOO_LONG

SMALLEST_SHARE = 4
"""A truncated prompt keeps at least the context divided by this."""


class Labels(Protocol):
    """The settings that select a run's comparisons; see `reward.settings.RewardSettings`."""

    labels: str
    snapshot: str
    part: str


def run_rows(
    context: RunContext, settings: Labels, weights: str = "equal"
) -> tuple[Snapshot, TrainingRows[PreferenceRow], HeldOutRows]:
    """Return the run's snapshot, its training rows in the run's part of the prompts, and the held-out rows.

    If `weights` is 'reliability', the rows are frozen with the labelers' weights as computed now. A snapshot that the
    settings name has its own weights, and a resumed run uses the snapshot that it started with.

    Raises BadInput if there is no comparison of a training prompt, if a test prompt is among the training rows, or if
    a snapshot mixes people's labels with simulated ones or those of AI labelers, which the settings do not ask for.
    """
    filters: dict[str, Any] = {}

    def current() -> list[dict]:
        rows, chosen = current_comparisons(context.store, settings.labels, weights, context.run.public)
        filters.update(chosen)  # they name the weighting, which is written with the rows that have it
        return rows

    snapshot, training, held_out = freeze_preferences(context, settings.snapshot, current, filters)
    sources = [row.source for rows in (training, held_out.validation, held_out.test) for row in rows]
    _refuse_mixture(snapshot, sources, settings.labels)
    training = training.matching(lambda row: is_in_part(row.prompt, settings.part))
    if not training:
        key = "need.training_comparisons" if settings.part == ALL else "need.comparisons_of_part"
        raise bad_input(key, part=settings.part, field="labels")
    return snapshot, training, held_out


def fitting_rows(encoder: RowEncoder, training: TrainingRows[PreferenceRow]) -> TrainingRows[EncodedComparison]:
    """Return the rows to train on, encoded. Raises BadInput, with the reasons, if none is left."""
    rows = training.map(encoder.encode_training)
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in encoder.left_out.items() if count)
        raise bad_input("need.fitting_comparisons", field="labels", reasons=reasons)
    return rows


def _refuse_mixture(snapshot: Snapshot, sources: Sequence[str], labels: str) -> None:
    for name in MACHINES:
        count, adjective = sources.count(name), ADJECTIVES[name]
        if 0 < count < len(sources) and not {"all", name} & set(labels.split("+")):
            raise bad_input(
                "refused.mixed_snapshot",
                field="snapshot",
                public=snapshot.public,
                count=count,
                adjective=adjective,
                others=len(sources) - count,
            )


@dataclass(frozen=True, slots=True)
class EncodedComparison:
    """A comparison as ids: those of the prompt, and those of both answers with their end tokens."""

    row: PreferenceRow
    prompt: list[int]
    a: list[int]
    b: list[int]


class RowEncoder:
    """Encode comparisons as ids of one base, shorten them to its context, and count what changes.

    A prompt is shortened by its content to make room for its longest answer, but keeps at least a quarter of the
    context. An answer that is still too long loses its end, but keeps its end token. `left_out` counts the comparisons
    that cannot be used, by reason.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self.truncated = {"comparisons": 0, "prompts": 0, "answers": 0}
        self.left_out: Counter[str] = Counter()

    def encode(self, rows: Sequence[PreferenceRow]) -> list[EncodedComparison]:
        """Return the rows in their order, each within the context. All rows of a prompt must be in one call.

        Rows whose prompt the template refuses, or that cannot be shortened, are left out.
        """
        prompts = self._prompts(rows)
        whole = [
            EncodedComparison(row, prompts[row.prompt_id], *self._answers(row))
            for row in rows
            if row.prompt_id in prompts
        ]
        longest: dict[int, int] = {}
        for comparison in whole:
            id = comparison.row.prompt_id
            longest[id] = max(longest.get(id, 0), len(comparison.a), len(comparison.b))
        shortened = {
            comparison.row.prompt_id: self._shorten(comparison, longest[comparison.row.prompt_id])
            for comparison in whole
        }
        self.left_out[TOO_LONG] += sum(shortened[comparison.row.prompt_id] is None for comparison in whole)
        kept = [(before, prompt) for before in whole if (prompt := shortened[before.row.prompt_id]) is not None]
        fitting = [self._fit(before, prompt) for before, prompt in kept]
        self._count([before for before, _ in kept], fitting)
        return fitting

    def encode_training(self, rows: Sequence[PreferenceRow]) -> list[EncodedComparison]:
        """Return the rows to train on: those of `encode` but comparisons of two equal answers, which teach nothing."""
        different = []
        for comparison in self.encode(rows):
            if comparison.a != comparison.b:
                different.append(comparison)
                continue
            a, b = self._answers(comparison.row)
            self.left_out[EQUAL if a == b else EQUAL_AFTER_CUT] += 1
        return different

    def answer(self, ids: list[int] | None, text: str) -> list[int]:
        """Return the stored ids with an end token if this tokenizer wrote them for `text`, else encode the text."""
        encoding = self.base.encoding
        return encoding.append_end(encoding.stored_answer(ids, text))

    def _prompts(self, rows: Sequence[PreferenceRow]) -> dict[int, list[int]]:
        """Return the ids of the prompts that the template takes."""
        prompts: dict[int, list[int]] = {}
        refused: dict[int, str] = {}
        for row in rows:
            if row.prompt_id not in prompts and row.prompt_id not in refused:
                try:
                    prompts[row.prompt_id] = self.base.encoding.encode_template(row.messages or row.prompt)
                except UnusablePrompt as problem:
                    refused[row.prompt_id] = problem.reason
        self.left_out.update(refused[row.prompt_id] for row in rows if row.prompt_id in refused)
        return prompts

    def _answers(self, row: PreferenceRow) -> tuple[list[int], list[int]]:
        return self.answer(row.a_token_ids, row.a_text), self.answer(row.b_token_ids, row.b_text)

    def _shorten(self, comparison: EncodedComparison, answer: int) -> list[int] | None:
        """Return the prompt if it leaves room for `answer` tokens, else shortened; None if that is impossible."""
        room = max(self.base.context - answer, self.base.context // SMALLEST_SHARE)
        if len(comparison.prompt) <= room:
            return comparison.prompt
        row = comparison.row
        return shorten_prompt(self.base.encoding, row.messages or row.prompt, room)

    def _fit(self, comparison: EncodedComparison, prompt: list[int]) -> EncodedComparison:
        room = self.base.context - len(prompt)
        a, b = (ids if len(ids) <= room else [*ids[: room - 1], ids[-1]] for ids in (comparison.a, comparison.b))
        return EncodedComparison(comparison.row, prompt, a, b)

    def _count(self, whole: Sequence[EncodedComparison], fitting: Sequence[EncodedComparison]) -> None:
        changes = [(before, after) for before, after in zip(whole, fitting, strict=True) if before != after]
        prompts = {before.row.prompt_id for before, after in changes if before.prompt != after.prompt}
        answers = {before.row.a_id for before, after in changes if before.a != after.a}
        answers |= {before.row.b_id for before, after in changes if before.b != after.b}
        self.truncated["comparisons"] += len(changes)
        self.truncated["prompts"] += len(prompts)
        self.truncated["answers"] += len(answers)

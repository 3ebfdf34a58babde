# SPDX-License-Identifier: Apache-2.0
"""The comparisons of a run: frozen as a snapshot, split by prompt, and written as the token ids that were sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.errors import BadInput
from data.records import Snapshot
from data.run_context import RunContext
from data.views.frozen_rows import HeldOutRows, TrainingRows, freeze_preferences
from data.views.preferences import PreferenceRow, freeze_row, parse_sources, preference_rows, snapshot_filters
from labeling.quality.overview import weigh
from reward.base.frozen_base import Base
from reward.prompt_parts import ALL, is_in_part

KEPT_PART = 4
"""A prompt that is cut keeps at least the context divided by this."""


class Labels(Protocol):
    """The settings that say which comparisons a run learns from; see `reward.settings.RewardSettings`."""

    labels: str
    snapshot: str
    part: str


def run_rows(
    context: RunContext, settings: Labels, weights: str = "equal"
) -> tuple[Snapshot, TrainingRows[PreferenceRow], HeldOutRows]:
    """Return the run's snapshot, the rows to train on in the run's part of the prompts, and the rows held out.

    With `weights` 'reliability' the rows are frozen with their labelers' weights as they are worked out now; a
    snapshot that is named has its own.

    A resumed run uses the snapshot it began with. Raises BadInput if no comparison is of a training prompt,
    one that would be trained on is of a test prompt, or a snapshot mixes people's labels with simulated ones
    unasked.
    """
    chosen = snapshot_filters(context.store, settings.labels)

    def current() -> list[dict]:
        by_labeler = None
        if weights == "reliability":
            made = weigh(context.store, parse_sources(settings.labels)[0], by=context.run.public)
            by_labeler, chosen["weighting"] = made.by_labeler(), made.id  # written with the rows that have them
        return [freeze_row(row) for row in preference_rows(context.store, source=settings.labels, weights=by_labeler)]

    snapshot, training, held_out = freeze_preferences(context, settings.snapshot, current, chosen)
    sources = [row.source for rows in (training, held_out.validation, held_out.test) for row in rows]
    _refuse_mixture(snapshot, sources, settings.labels)
    training = training.matching(lambda row: is_in_part(row.prompt, settings.part))
    if not training:
        where = "" if settings.part == ALL else f" of the part {settings.part}"
        raise BadInput(
            f"none of the comparisons is of a training prompt{where}", "Sample and label more prompts.", field="labels"
        )
    return snapshot, training, held_out


def _refuse_mixture(snapshot: Snapshot, sources: Sequence[str], labels: str) -> None:
    simulated = sources.count("simulated")
    if 0 < simulated < len(sources) and not {"all", "simulated"} & set(labels.split("+")):
        raise BadInput(
            f"snapshot {snapshot.public} mixes {simulated} simulated labels with {len(sources) - simulated} of people",
            "Ask for that with labels=all, or name a snapshot of one kind.",
            field="snapshot",
        )


@dataclass(frozen=True, slots=True)
class EncodedComparison:
    """A comparison as ids: the prompt's, and those of both answers with their end tokens."""

    row: PreferenceRow
    prompt: list[int]
    a: list[int]
    b: list[int]


class RowEncoder:
    """Writes comparisons as ids of one base, and cuts what is longer than its context by a fixed rule, which it counts.

    A prompt loses its beginning: as much as its longest answer needs, but it keeps a quarter of the context. An answer
    that is still too long loses its end, but keeps its end token.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self.truncated = {"comparisons": 0, "prompts": 0, "answers": 0}

    def encode(self, rows: Sequence[PreferenceRow]) -> list[EncodedComparison]:
        """Return the rows in their order, each of them within the context.

        All rows of a prompt must come together.
        """
        prompts = {row.prompt_id: self.base.encoding.encode_template(row.messages or row.prompt) for row in rows}
        whole = [EncodedComparison(row, prompts[row.prompt_id], *self._answers(row)) for row in rows]
        longest: dict[int, int] = {}
        for each in whole:
            longest[each.row.prompt_id] = max(longest.get(each.row.prompt_id, 0), len(each.a), len(each.b))
        kept = {id: self._kept(prompt, longest[id]) for id, prompt in prompts.items()}
        fitting = [self._fit(each, kept[each.row.prompt_id]) for each in whole]
        self._count(whole, fitting)
        return fitting

    def answer(self, ids: list[int] | None, text: str) -> list[int]:
        """Return the stored ids where they are of this tokenizer, else the text's."""
        if ids and max(ids) < self.base.encoding.rows and self.base.decode(ids) == text:
            return self.base.encoding.append_end(ids)
        return self.base.encode_completion(text)

    def _answers(self, row: PreferenceRow) -> tuple[list[int], list[int]]:
        return self.answer(row.a_token_ids, row.a_text), self.answer(row.b_token_ids, row.b_text)

    def _kept(self, prompt: list[int], answer: int) -> list[int]:
        """Return the end of a prompt that stands before an answer of so many tokens."""
        return prompt[-max(self.base.context - answer, self.base.context // KEPT_PART) :]

    def _fit(self, each: EncodedComparison, prompt: list[int]) -> EncodedComparison:
        room = self.base.context - len(prompt)
        a, b = (ids if len(ids) <= room else [*ids[: room - 1], ids[-1]] for ids in (each.a, each.b))
        return EncodedComparison(each.row, prompt, a, b)

    def _count(self, whole: Sequence[EncodedComparison], fitting: Sequence[EncodedComparison]) -> None:
        cut = [(one, two) for one, two in zip(whole, fitting, strict=True) if one != two]
        self.truncated["comparisons"] += len(cut)
        self.truncated["prompts"] += len({one.row.prompt_id for one, two in cut if one.prompt != two.prompt})
        answers = [(one.row.a_id, one.a, two.a) for one, two in cut] + [
            (one.row.b_id, one.b, two.b) for one, two in cut
        ]
        self.truncated["answers"] += len({id for id, before, after in answers if before != after})

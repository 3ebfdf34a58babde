# SPDX-License-Identifier: Apache-2.0
"""Prompts to answer, pairs of answers, and the counts that a sampling run reports. Importable without torch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from data.records import Pair, Prompt
from data.starter import SOURCE
from data.store import Store
from data.tables.online_pairs import OnlinePair
from data.tables.projects import STANDARD
from data.tables.rankings import FEWEST, MOST
from data.views.judging import UNPREDICTED
from labeling.texts.pages import bad_input
from rlhf.settings import SampleSettings

RANKING = "ranking"


@dataclass(slots=True)
class SamplingCounts:
    """Counts of a sampling run for its report."""

    prompts: int = 0
    completions: int = 0
    pairs: int = 0
    rankings: int = 0
    equal: int = 0
    unended: int = 0
    splits: Counter = field(default_factory=Counter)
    skipped: Counter = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def report(self, **about: object) -> dict:
        """Return the report. `equal` counts pairs not shown, and prompts with too few different answers to rank.

        `splits` counts prompts by split, `skipped` by reason; `notes` are sentences that people should read.
        """
        counts = {
            name: getattr(self, name) for name in ("prompts", "completions", "pairs", "rankings", "equal", "unended")
        }
        return {
            **about,
            **counts,
            "splits": dict(self.splits),
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
        }

    def add(self, prompts: Sequence[Prompt], answers: Sequence[dict]) -> None:
        """Count prompts and their answers."""
        self.prompts += len(prompts)
        self.splits.update(prompt.split for prompt in prompts)
        self.completions += len(answers)
        self.unended += sum(not answer["ended"] for answer in answers)

    def add_pair(self, shown: bool) -> None:
        """Count a pair."""
        self.pairs += 1
        self.equal += not shown


def choose_prompts(
    store: Store, counts: Mapping[str, int], answered: Counter, seed: int, last: int = 0, *, starter: bool = True
) -> list[Prompt]:
    """Return at most `counts` prompts of each split: the least `answered` first (by prompt id), shuffled by `seed`.

    `last` is the number of the newest prompt to choose, 0 for no bound. Without `starter` the starter's prompts are
    left out if the split has others: they ask about an invented world that only the starter knows.
    """
    chosen: list[Prompt] = []
    for split, count in counts.items():
        prompts = store.prompts.all(split=split, last=last)
        if not starter:
            prompts = [prompt for prompt in prompts if prompt.source != SOURCE] or prompts
        random.Random(seed).shuffle(prompts)
        chosen += sorted(prompts, key=lambda prompt: answered[prompt.id])[:count]
    return chosen


def training_prompts(store: Store, source: str, last: int = 0) -> list[Prompt]:
    """Return prompts of the train split, all or of one source, up to the prompt number `last` if it is not 0.

    Raises BadInput if there is none, and for the name of another split.
    """
    if source in ("validation", "test"):
        raise bad_input("refused.held_out_prompts", field="prompts", source=source)
    prompts = store.prompts.all(split="train", source=source or None, last=last)
    if not prompts:
        raise bad_input(f"need.{'source' if source else 'train'}_prompts", source=source, field="prompts")
    return prompts


def pair_indices(count: int, how: str) -> list[tuple[int, int]]:
    """Return pairs of `count` answers. disjoint: 0-1, 2-3, ..., without an odd last one; all: every pair."""
    if how == "all":
        return list(combinations(range(count), 2))
    return [(first, first + 1) for first in range(0, count - 1, 2)]


def check_pairs(per_prompt: int, how: str) -> None:
    """Raise BadInput for a number of answers that makes no pairs, or no ranking."""
    if how == RANKING and not FEWEST <= per_prompt <= MOST:
        raise bad_input("refused.ranking_size", field="per_prompt", per_prompt=per_prompt, fewest=FEWEST, most=MOST)
    if per_prompt < 2:
        raise bad_input("refused.pair_size", field="per_prompt", per_prompt=per_prompt)


@dataclass(frozen=True, slots=True)
class AnswerPairing:
    """Adds the answers to a prompt to a labeling project: as pairs or rankings (`how`), and with a priority."""

    store: Store
    tally: SamplingCounts
    how: str
    run_id: int
    project_id: int
    priority: int = 0

    def add_items(self, prompt_id: int, ids: Sequence[str]) -> None:
        """Add pairs, or one ranking, of the answers to a prompt."""
        about: dict[str, Any] = {"run_id": self.run_id, "project_id": self.project_id, "priority": self.priority}
        if self.how == RANKING:
            task = self.store.rankings.add_task(prompt_id, ids, **about)
            self.tally.rankings += task is not None
            self.tally.equal += task is None
            return
        for first, second in pair_indices(len(ids), self.how):
            self.tally.add_pair(self.store.pairs.add(prompt_id, ids[first], ids[second], **about).shown)


def record_undecided(store: Store, run_id: int, pair: Pair) -> None:
    """Record a pair of two policies that people are asked about until it is decided which one is better.

    A pair of equal texts is never shown.
    """
    if pair.shown:
        asked = OnlinePair(pair.prompt_id, pair.first_id, pair.second_id, 0, "random", "start", 1.0, UNPREDICTED)
        store.online_pairs.record(run_id, [pair.id], [asked])


def find_project_id(store: Store, name: str) -> int:
    """Return the id of the labeling project of that name; Standard for an empty name. Raises BadInput."""
    return store.projects.by_name(name).id if name else STANDARD


def prompts_per_split(store: Store, settings: SampleSettings) -> dict[str, int]:
    """Return how many prompts of each split a sampling run answers. Raises BadInput for settings that do not fit."""
    if not settings.against:
        check_pairs(settings.per_prompt, settings.pairs)
    elif settings.split not in ("", "test"):
        raise bad_input("refused.contest_split", field="split", split=settings.split)
    return split_prompt_counts(
        store, settings.prompts, "test" if settings.against else settings.split, settings.test_share
    )


def split_prompt_counts(store: Store, prompts: int, split: str, test_share: float) -> dict[str, int]:
    """Return how many prompts of each split to answer; none of test if the store has none.

    Raises BadInput for a split without prompts.
    """
    of_test = round(prompts * test_share) if not split and store.prompts.count("test") else 0
    counts = {name: count for name, count in ((split or "train", prompts - of_test), ("test", of_test)) if count}
    for name in counts:
        if not store.prompts.count(name):
            raise bad_input("need.split_prompts", split=name)
    return counts

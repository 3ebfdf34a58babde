"""Which prompts are answered next, which of their answers meet, and what a sampling run says it did. No model in sight."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from data.errors import BadInput
from data.records import Prompt
from data.store import Store
from data.tables.projects import STANDARD
from data.tables.rankings import FEWEST, MOST
from rlhf.settings import SampleSettings

RANKING = "ranking"


@dataclass(slots=True)
class SamplingCounts:
    """What a sampling run did, as its report says it."""

    prompts: int = 0
    completions: int = 0
    pairs: int = 0
    rankings: int = 0
    equal: int = 0
    unended: int = 0
    splits: Counter = field(default_factory=Counter)
    skipped: Counter = field(default_factory=Counter)

    def report(self, **about: object) -> dict:
        """`equal` counts pairs that are not shown, and prompts with too few different answers to rank.

        `splits` counts prompts by split, `skipped` by reason.
        """
        counts = {
            name: getattr(self, name) for name in ("prompts", "completions", "pairs", "rankings", "equal", "unended")
        }
        return {**about, **counts, "splits": dict(self.splits), "skipped": dict(self.skipped)}

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


def choose_prompts(store: Store, split: str, count: int, answered: Counter, seed: int) -> list[Prompt]:
    """`count` prompts of a split: the least `answered` first (counts by prompt id), in an order drawn by `seed`.

    Fewer where there are fewer.
    """
    prompts = store.prompts.all(split=split)
    random.Random(seed).shuffle(prompts)
    return sorted(prompts, key=lambda prompt: answered[prompt.id])[:count]


def training_prompts(store: Store, source: str) -> list[Prompt]:
    """Prompts of the train split, all or of one source. Raises BadInput where there is none, and for another split."""
    if source in ("validation", "test"):
        raise BadInput(
            f"no run trains on {source} prompts",
            "Leave prompts empty, or name the source of the prompts",
            field="prompts",
        )
    prompts = store.prompts.all(split="train", source=source or None)
    if not prompts:
        named = f" from {source!r}" if source else ""
        raise BadInput(
            f"there are no train prompts{named}",
            "Import some: preference-loop import FILE --as prompts",
            field="prompts",
        )
    return prompts


def pair_indices(count: int, how: str) -> list[tuple[int, int]]:
    """Which of `count` answers meet. disjoint: 0-1, 2-3, ..., an odd one out stays alone; all: every two."""
    if how == "all":
        return list(combinations(range(count), 2))
    return [(first, first + 1) for first in range(0, count - 1, 2)]


def check_pairs(per_prompt: int, how: str) -> None:
    """Raises BadInput for so few answers that none of a prompt's meet, or for a ranking that nobody could make."""
    if how == RANKING and not FEWEST <= per_prompt <= MOST:
        raise BadInput(f"per_prompt={per_prompt} makes no ranking", f"Give {FEWEST} to {MOST}.", field="per_prompt")
    if per_prompt < 2:
        raise BadInput(f"per_prompt={per_prompt} makes no pairs", "Give at least 2.", field="per_prompt")


@dataclass(frozen=True, slots=True)
class AnswerPairing:
    """How the answers to a prompt are put before labelers: `how` they meet, in which project, and with which priority."""

    store: Store
    tally: SamplingCounts
    how: str
    run_id: int
    project_id: int
    priority: int = 0

    def add_items(self, prompt_id: int, ids: Sequence[str]) -> None:
        """Let the answers of a prompt meet in pairs, or in one ranking."""
        about = {"run_id": self.run_id, "project_id": self.project_id, "priority": self.priority}
        if self.how == RANKING:
            asked = self.store.rankings.add_task(prompt_id, ids, **about)
            self.tally.rankings += asked is not None
            self.tally.equal += asked is None
            return
        for first, second in pair_indices(len(ids), self.how):
            self.tally.add_pair(self.store.pairs.add(prompt_id, ids[first], ids[second], **about).shown)


def find_project_id(store: Store, name: str) -> int:
    """The labeling project of that name, Standard where there is none given. Raises BadInput."""
    return store.projects.by_name(name).id if name else STANDARD


def prompts_per_split(store: Store, settings: SampleSettings) -> dict[str, int]:
    """How many prompts of which split a sampling run answers. Raises BadInput naming the field for what makes no sense."""
    if not settings.against:
        check_pairs(settings.per_prompt, settings.pairs)
    elif settings.split not in ("", "test"):
        raise BadInput(
            f"policies are compared on test prompts, not on split={settings.split!r}", "Use split=test.", field="split"
        )
    return split_prompt_counts(
        store, settings.prompts, "test" if settings.against else settings.split, settings.test_share
    )


def split_prompt_counts(store: Store, prompts: int, split: str, test_share: float) -> dict[str, int]:
    """How many prompts of which split are meant; a store without test prompts lacks their share. Raises BadInput for a split without any."""
    measure = round(prompts * test_share) if not split and store.prompts.count("test") else 0
    wanted = {name: count for name, count in ((split or "train", prompts - measure), ("test", measure)) if count}
    for name in wanted:
        if not store.prompts.count(name):
            raise BadInput(f"there are no prompts in the {name} split", "Import some with `import FILE --as prompts`.")
    return wanted

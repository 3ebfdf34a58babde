"""A run that samples: answers of a policy to prompts of the store, and the pairs that labelers will meet.

Every answer is stored with its token ids, settings, seed and number. Sampling a prompt again goes on counting, so that the same
settings give new answers, never the same ones. Pairs of equal text are stored and never shown.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from data.context import Cancelled, RunContext, RunResult
from data.errors import BadInput
from data.records import Prompt
from data.store import Store
from rlhf.answers import Limits, Speaker, Wanted
from rlhf.policies import Bases, choose_policy
from rlhf.settings import SampleSettings


@dataclass(slots=True)
class Tally:
    """What a sampling run did, as its report says it."""

    prompts: int = 0
    completions: int = 0
    pairs: int = 0
    equal: int = 0
    unended: int = 0
    splits: Counter = field(default_factory=Counter)
    skipped: Counter = field(default_factory=Counter)

    def report(self, speakers: Sequence[Speaker]) -> dict:
        """`equal` counts pairs that are not shown, `splits` prompts by split, `skipped` prompts by reason."""
        counts = {name: getattr(self, name) for name in ("prompts", "completions", "pairs", "equal", "unended")}
        return {"policies": [one.policy.public for one in speakers], **counts, "splits": dict(self.splits), "skipped": dict(self.skipped)}


def run(context: RunContext, settings: SampleSettings) -> RunResult:
    """Sample, batch by batch; what is made is kept when the run is cancelled.

    Raises BadInput for settings that make no sense, an unknown policy, and where no prompt fits the base.
    """
    wanted = shares(settings, context.store)
    sampler = Sampler.of(context, settings)
    prompts = [
        prompt
        for split, count in wanted.items()
        for prompt in choose_prompts(context.store, split, count, sampler.answered[0], settings.seed)
    ]
    encoded = sampler.encode(prompts)
    context.progress(0, len(encoded), "prompts")
    for chunk in _chunks(encoded, max(1, settings.batch_size // sampler.each)):
        if context.cancelled():
            raise Cancelled
        sampler.sample(chunk)
        context.progress(sampler.tally.prompts, len(encoded), "prompts")
    return RunResult(produced=[], report=sampler.tally.report(sampler.speakers))


def choose_prompts(store: Store, split: str, count: int, answered: Counter, seed: int) -> list[Prompt]:
    """`count` prompts of a split: the least `answered` first (counts by prompt id), in an order drawn by `seed`.

    Fewer where there are fewer; raises BadInput where there is none.
    """
    prompts = store.prompts.list(split=split)
    if not prompts:
        raise BadInput(f"there are no prompts in the {split} split", "Import some with `import FILE --as prompts`.")
    random.Random(seed).shuffle(prompts)
    return sorted(prompts, key=lambda prompt: answered[prompt.id])[:count]


def pairing(count: int, how: str) -> list[tuple[int, int]]:
    """Which of `count` answers meet. disjoint: 0-1, 2-3, ..., an odd one out stays alone; all: every two."""
    if how == "all":
        return list(combinations(range(count), 2))
    return [(first, first + 1) for first in range(0, count - 1, 2)]


def shares(settings: SampleSettings, store: Store) -> dict[str, int]:
    """How many prompts of which split are meant; a store without test prompts lacks their share. Raises BadInput naming the field."""
    if settings.per_prompt < 2 and not settings.against:
        raise BadInput(f"per_prompt={settings.per_prompt} makes no pairs", "Give at least 2.", field="per_prompt")
    if settings.against and settings.split not in ("", "test"):
        raise BadInput(f"policies are compared on test prompts, not on split={settings.split!r}", "Use split=test.", field="split")
    if settings.against or settings.split:
        return {settings.split or "test": settings.prompts}
    measure = round(settings.prompts * settings.test_share) if store.prompts.count("test") else 0
    return {split: count for split, count in (("train", settings.prompts - measure), ("test", measure)) if count}


@dataclass(frozen=True, slots=True)
class Sampler:
    """One run's speakers (one, or two to compare), with how often each of them has `answered` each prompt before."""

    context: RunContext
    settings: SampleSettings
    speakers: list[Speaker]
    answered: list[Counter]
    tally: Tally

    @classmethod
    def of(cls, context: RunContext, settings: SampleSettings) -> Sampler:
        """Load the policies that are named. Raises BadInput where one is unknown or compared with itself."""
        store, bases = context.store, Bases()
        policies = [choose_policy(store, settings.from_)]
        if settings.against:
            policies.append(choose_policy(store, settings.against))
            if policies[0] == policies[1]:
                raise BadInput(f"{policies[0].public} cannot be compared with itself", "Name another policy.", field="against")
        speakers = [Speaker.load(store, bases, policy) for policy in policies]
        answers = (store.completions.of_policy(policy.id) for policy in policies)
        return cls(context, settings, speakers, [Counter(one.prompt_id for one in some) for some in answers], Tally())

    @property
    def each(self) -> int:
        """Answers of each policy to a prompt."""
        return 1 if self.settings.against else self.settings.per_prompt

    def encode(self, prompts: Sequence[Prompt]) -> list[tuple[Prompt, list[list[int]]]]:
        """Each prompt with its token ids for each speaker; one that does not fit is counted. Raises where none fits."""
        encoded, problem = [], None
        for prompt in prompts:
            try:
                encoded.append((prompt, [speaker.encode(prompt) for speaker in self.speakers]))
            except BadInput as refused:
                problem = problem or refused
                self.tally.skipped[f"prompts that do not fit the base, such as: {problem}"] += 1
        if not encoded and problem:
            raise problem
        return encoded

    def sample(self, chunk: list) -> None:
        """Draw the answers of one chunk, then store them and their pairs in one transaction."""
        store, run_id, tally = self.context.store, self.context.run.id, self.tally
        drawn = [self._draw(chunk, side) for side in range(len(self.speakers))]
        purpose = "compare" if self.settings.against else "train"
        with store.transaction():
            ids = [store.completions.add_many(rows, run_id) for rows in drawn]
            for prompt_id, first, second in self._pairs(chunk, ids):
                pair = store.pairs.add(prompt_id, first, second, purpose=purpose, run_id=run_id)
                tally.pairs += 1
                tally.equal += not pair.shown
        tally.prompts += len(chunk)
        tally.splits.update(prompt.split for prompt, _ in chunk)
        tally.completions += sum(map(len, drawn))
        tally.unended += sum(not row["ended"] for rows in drawn for row in rows)

    def _draw(self, chunk: list, side: int) -> list[dict]:
        """One policy's answers to the prompts of the chunk, prompt by prompt, numbered from where it stopped before."""
        speaker, settings, first = self.speakers[side], self.settings, self.answered[side]
        wanted = [
            Wanted(prompt.id, ids[side], number)
            for prompt, ids in chunk
            for number in range(first[prompt.id], first[prompt.id] + self.each)
        ]
        limits = Limits(settings.max_new_tokens, settings.batch_size, settings.temperature)
        sampling = {"temperature": settings.temperature, "max_new_tokens": settings.max_new_tokens}
        about = {"policy_id": speaker.policy.id, "sampling": sampling, "seed": settings.seed}
        return [
            {"prompt_id": one.prompt_id, "number": one.number, "text": answer.text, "token_ids": answer.ids, "ended": answer.ended} | about
            for one, answer in zip(wanted, speaker.draw(wanted, limits, settings.seed), strict=True)
        ]

    def _pairs(self, chunk: list, ids: list[list[str]]) -> Iterator[tuple[int, str, str]]:
        """(prompt id, two completion ids): one answer of each policy where two are compared, else pairs within one prompt's."""
        for place, (prompt, _) in enumerate(chunk):
            answers = [row[place * self.each : (place + 1) * self.each] for row in ids]
            if len(ids) == 2:
                yield prompt.id, answers[0][0], answers[1][0]
            else:
                for first, second in pairing(self.each, self.settings.pairs):
                    yield prompt.id, answers[0][first], answers[0][second]


def _chunks(encoded: list, size: int) -> Iterator[list]:
    """Prompts of like length together."""
    ordered = sorted(encoded, key=lambda item: (len(item[1][0]), item[0].id))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


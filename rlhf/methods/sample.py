# SPDX-License-Identifier: Apache-2.0
"""The run kind `sample`: draw answers of a policy to stored prompts, and make pairs for the labelers.

Every answer is stored with its token ids, settings, seed and number. Sampling a prompt again continues the numbering,
so equal settings give new answers. Pairs of equal texts are stored and never shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from data.errors import BadInput
from data.records import Prompt
from data.run_context import Cancelled, RunContext, RunResult
from data.starter import SOURCE
from labeling.texts.pages import stored_line
from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.text.unusable_prompts import SkippedPrompts
from rlhf.methods.answer_samplers import load_sampler
from rlhf.models.policy_loading import Bases, choose_policies
from rlhf.sampling.pairing import (
    AnswerPairing,
    SamplingCounts,
    choose_prompts,
    find_project_id,
    prompts_per_split,
    record_undecided,
)
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from rlhf.sampling.rollout_sampler import Sampler
from rlhf.sampling.served.opening import open_sampler, sampler_report
from rlhf.settings import SampleSettings

CHUNK = 4
"""Most batches between two commits. Waiting prompts take over finished rows only within a chunk."""
SPAN = 8.0
"""Target seconds between two commits, which is also the interval of progress reports."""


def run(context: RunContext, settings: SampleSettings) -> RunResult:
    """Sample chunk by chunk. A cancelled run stops between two tokens and keeps all finished chunks.

    The processes of the run share each chunk, and the main one stores it.

    Raises BadInput for impossible settings, for an unknown policy, and if no prompt fits the base.
    """
    with open_sampler(context, settings) as source:
        return _run(context, settings, source)


def _run(context: RunContext, settings: SampleSettings, source: Sampler) -> RunResult:
    counts = prompts_per_split(context.store, settings)
    find_project_id(context.store, settings.project)
    sampling = SamplingRun.load(context, settings, source)
    answered, starter = sampling.answered[0], sampling.knows_starter
    prompts = context.once(
        lambda: choose_prompts(context.store, counts, answered, settings.seed, settings.last_prompt, starter=starter)
    )
    sampling.note_prompts(len(prompts))
    encoded = sampling.encode(prompts)
    context.progress(0, len(encoded), "prompts")
    rows = settings.batch_size * distributed.world_size()
    least, most = (max(1, batches * rows // sampling.answers_per_prompt) for batches in (1, CHUNK))
    for chunk in _chunks(encoded, least, most):
        _stop_if_cancelled(context)
        sampling.sample(chunk)
        context.progress(sampling.tally.prompts, len(encoded), "prompts")
    sampling.note_endless()
    report = sampling.tally.report(policies=[sampler.policy.public for sampler in sampling.samplers])
    report |= {"placement": sampling.samplers[0].base.placement.describe()} | sampler_report(source)
    return RunResult(produced=[], report=report)


PromptIds = tuple[Prompt, list[list[int]]]
"""A prompt, and its token ids for each sampler."""


@dataclass(frozen=True, slots=True)
class SamplingRun:
    """The samplers of one run (two for a comparison), and the earlier answers of each by prompt id."""

    context: RunContext
    settings: SampleSettings
    samplers: list[AnswerSampler]
    answered: list[Counter[int]]
    tally: SamplingCounts
    ended: Counter[str] = field(default_factory=Counter)
    """Ended answers by the policy's public id."""

    @classmethod
    def load(cls, context: RunContext, settings: SampleSettings, source: Sampler) -> SamplingRun:
        """Load the named policies. Raises BadInput if one is unknown or compared with itself."""
        store, bases = context.store, Bases(settings)
        policies = choose_policies(store, settings.from_, settings.against)
        samplers = [load_sampler(store, bases, policy, source) for policy in policies]
        for base in {sampler.base for sampler in samplers}:
            # a batch of a slow model takes minutes, so each forward pass checks
            base.causal.register_forward_pre_hook(lambda *_: _stop_if_cancelled(context))
        tally = SamplingCounts()
        for base in dict.fromkeys(sampler.base for sampler in samplers):
            tally.notes += [f"{Path(base.name).name}: {problem}" for problem in base.encoding.template_problems]
        answered = context.once(
            lambda: [Counter(row.prompt_id for row in store.completions.of_policy(policy.id)) for policy in policies]
        )
        return cls(context, settings, samplers, answered, tally)

    @property
    def answers_per_prompt(self) -> int:
        """Return the number of answers of each policy to a prompt."""
        return 1 if self.settings.against else self.settings.per_prompt

    @property
    def knows_starter(self) -> bool:
        """Return whether every policy stands on the starter, whose prompts ask about a world of its own."""
        return all(sampler.policy.base == SOURCE for sampler in self.samplers)

    def note_prompts(self, chosen: int) -> None:
        """Note that fewer prompts are answered than asked for because the starter's do not suit these policies."""
        if chosen >= self.settings.prompts or self.knows_starter:
            return
        if any(self.context.store.prompts.stream(source=SOURCE, limit=1)):
            asked = self.settings.prompts
            self.tally.notes.append(stored_line("note.starter_prompts", chosen=chosen, asked=asked))

    def encode(self, prompts: Sequence[Prompt]) -> list[PromptIds]:
        """Encode each prompt for each sampler, and count prompts that do not fit.

        Raises BadInput if none fits.
        """
        encoded: list[PromptIds] = []
        skipped = SkippedPrompts(self.tally.skipped)
        for prompt in prompts:
            try:
                encoded.append((prompt, [sampler.encode(prompt) for sampler in self.samplers]))
            except BadInput as refused:
                skipped.add(refused)
        if not encoded and skipped.first:
            raise skipped.first
        for side, sampler in enumerate(self.samplers):
            self._note_unknown(sampler.base, [ids[side] for _, ids in encoded])
        return encoded

    def _note_unknown(self, base: Base, prompts: Sequence[list[int]]) -> None:
        """Note how many tokens of the prompts are the unknown token: characters that the tokenizer lacks."""
        counts = [base.encoding.count_unknown(ids) for ids in prompts]
        if not any(counts):
            return
        about = {"model": Path(base.name).name, "token": base.tokenizer.unk_token}
        note = stored_line("note.unknown_tokens", count=sum(counts), total=sum(map(len, prompts)), **about)
        if note not in self.tally.notes:
            self.tally.notes.append(note)

    def note_endless(self) -> None:
        """Note each policy without an ended answer, with its end tokens and the remedy."""
        answers = self.tally.completions // len(self.samplers)
        for sampler in self.samplers:
            if not answers or self.ended[sampler.policy.public]:
                continue
            names = sampler.base.tokenizer.convert_ids_to_tokens(sorted(sampler.base.eos_ids))
            about = {"policy": sampler.policy.public, "tokens": ", ".join(map(str, names))}
            limit = self.settings.max_new_tokens
            self.tally.notes.append(stored_line("note.endless", answers=answers, limit=limit, **about))

    def sample(self, chunk: Sequence[PromptIds]) -> None:
        """Draw the answers of one chunk, then store them and their pairs in one transaction."""
        drawn = [self._draw(chunk, side) for side in range(len(self.samplers))]
        self.context.once(lambda: self._store(chunk, drawn))
        for sampler, rows in zip(self.samplers, drawn, strict=True):
            self.ended[sampler.policy.public] += sum(answer["ended"] for answer in rows)
        self.tally.add([prompt for prompt, _ in chunk], [answer for rows in drawn for answer in rows])

    def _store(self, chunk: Sequence[PromptIds], drawn: Sequence[list[dict]]) -> None:
        """Store the answers of each policy, and their pairs."""
        store, run_id, tally = self.context.store, self.context.run.id, self.tally
        project_id = find_project_id(store, self.settings.project)
        pairing = AnswerPairing(store, tally, self.settings.pairs, run_id, project_id, self.settings.priority)
        with store.transaction():
            ids = [store.completions.add_many(rows, run_id) for rows in drawn]
            for place, (prompt, _) in enumerate(chunk):
                if len(ids) == 2:
                    self._add_contest(prompt.id, ids[0][place], ids[1][place], project_id)
                else:
                    first = place * self.answers_per_prompt
                    pairing.add_items(prompt.id, ids[0][first : first + self.answers_per_prompt])

    def _add_contest(self, prompt_id: int, first: str, second: str, project_id: int) -> None:
        """Pair the answers of two policies to a prompt. A pair of equal texts is never shown."""
        store, settings, run_id = self.context.store, self.settings, self.context.run.id
        about = {"run_id": run_id, "project_id": project_id, "priority": settings.priority}
        pair = store.pairs.add(prompt_id, first, second, purpose="compare", **about)
        self.tally.add_pair(pair.shown)
        if settings.until_decided:
            record_undecided(store, run_id, pair)

    def _draw(self, chunk: Sequence[PromptIds], side: int) -> list[dict]:
        """Draw one policy's answers to the chunk's prompts, numbered from the first unused number."""
        sampler, settings, first = self.samplers[side], self.settings, self.answered[side]
        requests = [
            DrawRequest(prompt.id, ids[side], number)
            for prompt, ids in chunk
            for number in range(first[prompt.id], first[prompt.id] + self.answers_per_prompt)
        ]
        limits = SamplingLimits(settings.max_new_tokens, settings.batch_size, settings.temperature)
        sampling: dict[str, Any] = {"temperature": settings.temperature, "max_new_tokens": settings.max_new_tokens}
        sampling |= {"template_set": list(settings.template_set)} if settings.template_set else {}
        sampling |= {"sampler": "served"} if sampler.sampler.served else {}  # the seed alone does not repeat the answer
        about = {"policy_id": sampler.policy.id, "sampling": sampling, "seed": settings.seed}
        answers = distributed.map_shards(lambda own: sampler.draw(own, limits, settings.seed) if own else [], requests)
        return [
            {
                "prompt_id": request.prompt_id,
                "number": request.number,
                "text": answer.text,
                "token_ids": answer.ids,
                "ended": answer.ended,
            }
            | about
            for request, answer in zip(requests, answers, strict=True)
        ]


def _stop_if_cancelled(context: RunContext) -> None:
    if context.cancelled():
        raise Cancelled


def _chunks(encoded: Sequence[PromptIds], least: int, most: int) -> Iterator[list[PromptIds]]:
    """Yield prompts of similar length in chunks that take about SPAN seconds.

    A chunk has at least `least` prompts (one batch: on an accelerator a smaller one takes as long) and at most
    `most`.
    """
    waiting, size = sorted(encoded, key=lambda item: (len(item[1][0]), item[0].id)), least
    while waiting:
        began = monotonic()
        yield waiting[:size]
        del waiting[:size]
        seconds = max(*distributed.all_gather(monotonic() - began), 1e-3)
        size = max(least, min(most, int(size * SPAN / seconds)))

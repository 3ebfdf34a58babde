# SPDX-License-Identifier: Apache-2.0
"""The run kind `endpoint`: sample answers of a model behind an endpoint, and pair them for the labelers.

It runs in the process of the command, so the API key is never stored and no other process gets it. Each prompt's
answers and pairs are one commit: if the endpoint fails, finished prompts stay. Sampling again starts with the prompts
that have the fewest answers.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field

from data.errors import BadInput
from data.records import Prompt, Run
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import CompletionLength, Seed, Settings, as_dict, option, parse_settings
from data.store import Store
from data.tables.process_identity import identify_process
from labeling.texts.pages import stored_line
from rlhf.kinds import Kind
from rlhf.runs.worker import work
from rlhf.sampling.endpoint_reply import CUTS, THINKING, Reply
from rlhf.sampling.openai_endpoint import OpenAIEndpoint
from rlhf.sampling.pairing import (
    AnswerPairing,
    SamplingCounts,
    check_pairs,
    choose_prompts,
    find_project_id,
    split_prompt_counts,
)
from rlhf.settings import PairRule, Priority, ProjectName, SplitName, TestShare

KIND = Kind(
    "endpoint",
    "rlhf.runs.endpoint_run:EndpointSettings",
    "rlhf.runs.endpoint_run:run",
)
"""No page offers this kind: only a person at the command line may name an address."""


class EndpointSettings(Settings):
    """Sample completions of a model behind an endpoint, and make pairs of them for the labelers."""

    endpoint: str = ""
    model: str = ""
    prompts: int = option(100, unit="prompts", min=1)
    per_prompt: int = option(2, unit="completions", min=2)
    temperature: float = option(1.0, min=0.0)
    split: SplitName = ""
    test_share: TestShare = 0.15
    pairs: PairRule = "disjoint"
    project: ProjectName = ""
    priority: Priority = 0
    max_new_tokens: CompletionLength = 512
    at_once: int = option(8, unit="requests", min=1)
    timeout: float = option(300.0, unit="seconds", min=0.0)
    seed: Seed = 0


def sample_endpoint(store: Store, given: Sequence[str], *, by: str) -> Run:
    """Sample in this process and return the ended run.

    Raises BadInput, and queues no run, for invalid settings.
    """
    settings = parse_settings(EndpointSettings, given)
    OpenAIEndpoint.of(settings.endpoint, settings.model)
    check_pairs(settings.per_prompt, settings.pairs)
    find_project_id(store, settings.project)
    _choose_prompts(store, settings, store.completions.next_numbers(settings.model))
    with store.transaction():
        run = store.runs.enqueue(KIND.name, as_dict(settings), by)
        store.runs.start(run.id, *identify_process())  # in the same commit, or a supervisor starts it too
    with redirect_stdout(sys.stderr):
        work(store, run, KIND)
    return store.runs.get(run.id)


def run(context: RunContext, settings: EndpointSettings) -> RunResult:
    """Send parallel requests and store the answers.

    Raises BadInput if the endpoint fails; stored answers stay.
    """
    endpoint = OpenAIEndpoint.of(settings.endpoint, settings.model, timeout=settings.timeout)
    sampling = EndpointRun(
        context, settings, endpoint, context.store.completions.next_numbers(settings.model), SamplingCounts()
    )
    prompts = _choose_prompts(context.store, settings, sampling.answered)
    try:
        with ThreadPoolExecutor(settings.at_once) as pool:
            for start in range(0, len(prompts), settings.at_once):
                context.progress(start, len(prompts), "prompts")
                if context.cancelled():
                    raise Cancelled
                sampling.ask(prompts[start : start + settings.at_once], pool)
    except KeyboardInterrupt:
        raise Cancelled from None
    context.progress(len(prompts), len(prompts), "prompts")
    return RunResult(produced=[], report=sampling.report())


@dataclass(frozen=True, slots=True)
class EndpointRun:
    """One run.

    `answered` is the number of the model's next answer, by prompt id; `finishes` counts its reasons to stop.
    """

    context: RunContext
    settings: EndpointSettings
    endpoint: OpenAIEndpoint
    answered: Counter[int]
    tally: SamplingCounts
    finishes: Counter[str] = field(default_factory=Counter)

    def ask(self, prompts: Sequence[Prompt], pool: Executor) -> None:
        """Request these prompts in parallel; store every prompt with answers, then raise the first failure."""
        futures = [pool.submit(self._replies, prompt) for prompt in prompts]
        failures = []
        for prompt, future in zip(prompts, futures, strict=True):
            try:
                self._store(prompt, future.result())
            except BadInput as problem:
                failures.append(problem)
        if failures:
            raise failures[0]

    def report(self) -> dict:
        """Return the report. `finish_reasons` counts the server's reasons of all replies."""
        self.tally.notes += self._cut_notes()
        about = {"model": self.settings.model, "endpoint": self.endpoint.url}
        return self.tally.report(**about, finish_reasons=dict(self.finishes))

    def _cut_notes(self) -> list[str]:
        """Return how many replies the limit cut, and how many of these held thoughts alone."""
        cut = sum(self.finishes[reason] for reason in CUTS)
        if not cut:
            return []
        limit, thinking = self.settings.max_new_tokens, self.tally.skipped[THINKING]
        counts = {"cut": cut, "total": self.finishes.total(), "thinking": thinking, "limit": limit, "more": 4 * limit}
        return [stored_line("note.cut_thinking" if thinking else "note.cut", **counts)]

    def _numbers(self, prompt: Prompt) -> range:
        before = self.answered[prompt.id]
        return range(before, before + self.settings.per_prompt)

    def _replies(self, prompt: Prompt) -> list[Reply]:
        return self.endpoint.answer(
            prompt,
            self._numbers(prompt),
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_new_tokens,
            seed=self.settings.seed,
        )

    def _store(self, prompt: Prompt, replies: Sequence[Reply]) -> None:
        """Store one prompt's answers and pairs in one commit; count what is no answer."""
        self.tally.skipped.update(reply.missing for reply in replies if reply.missing)
        self.finishes.update(reply.finish or "none" for reply in replies)
        settings, store, run_id = self.settings, self.context.store, self.context.run.id
        sampling = {
            "endpoint": self.endpoint.url,
            "temperature": settings.temperature,
            "max_new_tokens": settings.max_new_tokens,
        }
        common = {"prompt_id": prompt.id, "model_name": settings.model, "sampling": sampling, "seed": settings.seed}
        rows = [
            {**common, "number": number, "text": reply.text, "ended": reply.ended}
            for number, reply in zip(self._numbers(prompt), replies, strict=True)
            if not reply.missing
        ]
        with store.transaction():
            ids = store.completions.add_many(rows, run_id)
            AnswerPairing(
                store, self.tally, settings.pairs, run_id, find_project_id(store, settings.project), settings.priority
            ).add_items(prompt.id, ids)
        self.tally.add([prompt], rows)


def _choose_prompts(store: Store, settings: EndpointSettings, answered: Counter[int]) -> list[Prompt]:
    """Return the prompts to answer, those with the fewest answers first."""
    counts = split_prompt_counts(store, settings.prompts, settings.split, settings.test_share)
    return choose_prompts(store, counts, answered, settings.seed, starter=False)

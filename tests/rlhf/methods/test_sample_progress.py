# SPDX-License-Identifier: Apache-2.0
"""Progress and cancellation of a sampling run: between chunks, and between two tokens; prompts that it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import Store
from data.run_context import Cancelled, RunContext
from data.settings import as_dict
from data.starter import SOURCE
from rlhf.methods.sample import run
from rlhf.sampling.policy_answers import AnswerSampler, SampledAnswer, SamplingLimits
from rlhf.settings import SampleSettings
from tests.support.sampled_home import fill_sampled_home, sample
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=64)


@pytest.fixture
def two_policies(store: Store, base: Path) -> Store:
    return fill_sampled_home(store, base)


def test_a_cancelled_run_keeps_its_finished_chunks(two_policies: Store) -> None:
    chosen = SampleSettings(from_="p1", prompts=20, max_new_tokens=4, batch_size=4)
    queued = two_policies.runs.enqueue("sample", as_dict(chosen), "test")
    context = RunContext(two_policies, queued)
    seen = []
    context.progress = lambda done, total, note="": (
        seen.append(done) or done and two_policies.runs.request_cancel(queued.id)
    )
    context.cancelled = lambda: two_policies.runs.get(queued.id).cancel_requested
    with pytest.raises(Cancelled):
        run(context, chosen)
    assert seen == [0, 2]
    assert two_policies.completions.count() == 4


@pytest.mark.parametrize(
    ("pace", "reported"), [(0.001, [0, 2, 10, 18, 20]), (1.0, [0, 2, 6, 10, 14, 18, 20]), (9.0, list(range(0, 21, 2)))]
)
def test_chunks_shrink_for_a_slow_model(
    two_policies: Store, monkeypatch: pytest.MonkeyPatch, pace: float, reported: list[int]
) -> None:
    """`pace` seconds an answer, two answers a prompt: 8 s are 4 prompts at 1 s; a batch is 2 prompts, and a chunk at most 4 batches."""
    clock = [0.0]

    def draw(sampler: AnswerSampler, requests: list, limits: SamplingLimits, seed: int) -> list[SampledAnswer]:
        clock[0] += pace * len(requests)
        return [SampledAnswer(f"{request.prompt_id} {request.number}", [1], True) for request in requests]

    monkeypatch.setattr(AnswerSampler, "draw", draw)
    monkeypatch.setattr("rlhf.methods.sample.monotonic", lambda: clock[0])
    chosen = SampleSettings(from_="p1", prompts=20, split="train", batch_size=4)
    context = RunContext(two_policies, two_policies.runs.enqueue("sample", as_dict(chosen), "test"))
    seen = []
    context.progress = lambda done, total, note="": seen.append(done)
    run(context, chosen)
    assert seen == reported


def test_a_run_is_cancelled_between_two_tokens(two_policies: Store) -> None:
    chosen = SampleSettings(from_="p1", prompts=20, max_new_tokens=40, batch_size=64)
    context = RunContext(two_policies, two_policies.runs.enqueue("sample", as_dict(chosen), "test"))
    asked = []
    context.cancelled = lambda: asked.append(None) or len(asked) == 4
    with pytest.raises(Cancelled):
        run(context, chosen)
    assert len(asked) == 4
    assert two_policies.completions.count() == 0


def test_prompts_that_were_left_out_for_a_model_that_is_not_the_starter_are_named(two_policies: Store) -> None:
    left_out = "prompts: the starter's are about its invented world"
    plain = sample(two_policies, from_="p1", prompts=400)
    assert not any(left_out in note for note in plain["notes"])
    two_policies.prompts.add("Who is Mavu?", source=SOURCE)
    report = sample(two_policies, from_="p1", prompts=400)
    assert report["prompts"] == plain["prompts"]
    assert any(note.startswith(f"{report['prompts']} of 400 {left_out}") for note in report["notes"])

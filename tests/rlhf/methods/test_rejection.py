# SPDX-License-Identifier: Apache-2.0
"""Rejection sampling: rounds imitate the best answers to train prompts, and a resumed run ends at the same weights."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict
from data.splits import split_of
from reward.base.adapters import read_adapter
from rlhf.methods.chosen_answers import training_rows
from rlhf.methods.rejection import round_prompts, run
from rlhf.models.policy_loading import Bases
from rlhf.runs.launch import launch
from rlhf.sampling.policy_answers import AnswerSampler
from rlhf.settings import RejectionSettings
from tests.support.tiny_model import make_ending_model

SMALL = RejectionSettings(
    from_="p1",
    n=4,
    prompts_per_round=6,
    rounds=2,
    learning_rate=1e-2,
    epochs=4.0,
    rank=2,
    batch_size=3,
    max_new_tokens=12,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_ending_model(tmp_path_factory.mktemp("model"))


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("rejection", as_dict(settings), "test", **about))


def weights_of(store, result):
    return read_adapter(store.home / store.policies.get(result.produced[0]).adapter)[1]


def test_a_run_imitates_the_best_answers_and_records_its_parent(judged):
    context = context_of(judged, SMALL)
    result = run(context, SMALL)
    policy = judged.policies.get(result.produced[0])
    assert (policy.kind, policy.parent_id, policy.reward_model_id, policy.run_id) == ("rejection", 1, 1, context.run.id)
    assert len(result.report["rounds"]) == 2
    for told in result.report["rounds"]:
        assert told["best_reward"] > told["reward"]
        assert told["rows"] + told["without_end"] == 6
    rows = judged.snapshots.rows(policy.snapshot_id)
    assert [split_of(row["instruction"]) for row in rows] == ["train"] * result.report["rounds"][1]["rows"]
    bases = Bases()
    samplers = [AnswerSampler.load(judged, bases, judged.policies.get(id)) for id in (1, policy.id)]
    prompts = [samplers[0].encode(judged.prompts.find(row["instruction"])) for row in rows]
    answers = [
        samplers[0].base.encode_completion(row["output"])[:-1] for row in rows
    ]  # the end that was sampled is another token
    start, end = (sum(sampler.logps(prompts, answers)) for sampler in samplers)
    assert end > start + 1  # nat
    assert {"loss", "sampled_reward", "best_reward"} <= set(judged.metrics.keys(context.run.id))
    assert list(context.folder.iterdir()) == []  # no checkpoint stays behind


@pytest.mark.parametrize(
    "seen", ["round-0/answers/0.json", "round-1/answers/1.json"], ids=["between two chunks", "in the second training"]
)
def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(judged, monkeypatch, seen):
    whole = run(context_of(judged, SMALL), SMALL)
    first = context_of(judged, SMALL)
    monkeypatch.setattr(first, "cancelled", (first.folder / "checkpoint" / seen).exists)
    with pytest.raises(Cancelled):
        run(first, SMALL)
    second = run(context_of(judged, SMALL, resumes=first.run.id), SMALL)
    one, two = (weights_of(judged, result) for result in (whole, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_answer_without_an_end_is_not_imitated():
    rows = [
        {"prompt_ids": [1, 2], "ids": [3, 0], "ended": True},
        {"prompt_ids": [1, 2], "ids": [4, 5], "ended": False},
    ]
    assert list(training_rows(rows)) == [{"input_ids": [1, 2, 3, 0], "labels": [-100, -100, 3, 0]}]


def test_a_run_without_an_ended_answer_fails(judged):
    short = SMALL.model_copy(update={"max_new_tokens": 1, "n": 2})
    with pytest.raises(BadInput, match=r"none of \d+ answers ended within"):
        run(context_of(judged, short), short)


def test_rounds_take_other_prompts_as_long_as_there_are_any():
    assert round_prompts([1, 2, 3, 4, 5], 3, 3) == [4, 5, 1]
    assert round_prompts([1, 2], 0, 5) == [1, 2]


def test_without_a_reward_model_nothing_is_queued(store, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    store.policies.add(name="base", kind="base", base=str(tmp_path))
    store.prompts.add_many({"text": f"Write note {number}.", "source": "test"} for number in range(10))
    for kind in ("rejection", "best-of-n"):
        with pytest.raises(BadInput, match="there is no reward model yet"):
            launch(store, kind, {}, by="test")
    assert store.runs.all() == []


def test_no_round_answers_test_prompts(judged):
    with pytest.raises(BadInput, match="no run trains on test prompts"):
        run(context_of(judged, SMALL), SMALL.model_copy(update={"prompts": "test"}))

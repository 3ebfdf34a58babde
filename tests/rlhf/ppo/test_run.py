# SPDX-License-Identifier: Apache-2.0
"""A PPO run from the store to the store: train prompts in, the best policy out, cancelled and resumed in between."""

from __future__ import annotations

from itertools import count, cycle

import pytest
import torch

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import parse_settings
from data.splits import split_of
from data.starter import rubric
from reward.base.adapters import read_adapter
from rlhf.kinds import find_kind
from rlhf.ppo.prompt_rows import as_rows, training_rows
from rlhf.ppo.run import run
from rlhf.ppo.run_record import rubric_scores
from rlhf.ppo.settings import PPOSettings
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

SETTINGS = {
    "max_steps": 2,
    "batch_size": 32,
    "epochs": 1,
    "max_new_tokens": 4,
    "validation_prompts": 4,
    "validate_every": 1,
    "rank": 2,
}
CURVES = {
    "reward",
    "kl",
    "kl_coef",
    "entropy",
    "length",
    "policy_loss",
    "clip_fraction",
    "episodes_per_second",
}


@pytest.fixture
def home(tmp_path):
    """A bare base as the only policy, and a reward model on the same base."""
    model = make_tiny_model("llama", tmp_path / "model")
    store = make_judged_home(tmp_path / "home", model)
    yield store
    store.close()


def context(store, resumes=None, **settings) -> RunContext:
    queued = store.runs.enqueue("ppo", SETTINGS | settings, "test", resumes=resumes)
    return RunContext(store, store.runs.get(queued.id))


def settings_of(context: RunContext) -> PPOSettings:
    return parse_settings(find_kind("ppo").settings_class(), context.run.settings)


def test_a_run_makes_a_policy_that_knows_where_it_comes_from(home):
    made = context(home)
    result = run(made, settings_of(made))
    policy = home.policies.get(result.produced[0])
    assert (policy.kind, policy.parent_id, policy.reward_model_id, policy.run_id, policy.seed) == (
        "ppo",
        1,
        1,
        made.run.id,
        0,
    )
    assert policy.config["max_steps"] == 2
    assert read_adapter(home.home / policy.adapter)[0].r == 2
    assert set(result.report) >= {"kl", "kl_per_step", "reward_per_step", "checkpoint", "seconds", "peak_mb"}
    assert len(result.report["kl_per_step"]) == len(result.report["reward_per_step"]) == 2
    assert result.report["kl_per_step"][0] == 0.0
    assert set(home.metrics.keys(made.run.id)) >= CURVES
    assert len(home.metrics.series(made.run.id, "reward")) == 2
    assert set(home.metrics.samples(made.run.id)[0]) == {
        "step",
        "prompt",
        "policy",
        "reference",
        "reward",
        "reference_reward",
    }
    assert not (made.folder / "checkpoint").exists()


SUM = {"family": "sum", "a": 5, "b": 9, "op": "plus", "answer": "14"}


def test_gold_is_what_the_rubric_says_of_each_answer():
    rows, texts = [{"prompt": "Work out 5 plus 9.", "facts": SUM}] * 2, ["5 plus 9 is 14.", "No"]
    assert rubric_scores(rows, texts, [True, False]) == [
        rubric.gold(SUM, texts[0], True),
        rubric.gold(SUM, texts[1], False),
    ]


@pytest.mark.parametrize(("sources", "watched"), [(["starter"], True), (["starter", "people"], False)])
def test_the_rubric_watches_where_every_validation_prompt_is_the_starters(home, monkeypatch, sources, watched):
    """Another's facts may mean anything: here they would break the rubric."""
    facts = {"starter": SUM, "people": {"note": "from somewhere"}}

    def sourced(prompts):
        return [
            row | {"source": source, "facts": facts[source]}
            for row, source in zip(as_rows(prompts), cycle(sources), strict=False)
        ]

    monkeypatch.setattr("rlhf.ppo.run.as_rows", sourced)
    another = next(text for text in (f"Name {number} trees." for number in count()) if split_of(text) == "validation")
    home.prompts.add(another, source="mine")
    made = context(home)
    looks = run(made, settings_of(made)).report.get("gold_per_look")
    assert [update for update, _ in looks] == [1, 2] if watched else looks is None


def test_prompts_that_the_base_cannot_answer_are_left_out_and_counted(home):
    for text in [text for text in (f"{'much ' * 300}{number}" for number in range(20)) if split_of(text) == "train"][
        :2
    ]:
        home.prompts.add(text, source="mine")
    made = context(home)
    ((reason, left_out),) = run(made, settings_of(made)).report["skipped"].items()
    assert (left_out, "prompts that do not fit the base, such as: " in reason, "tokens" in reason) == (2, True, True)
    alone = context(home, prompts="mine")
    with pytest.raises(BadInput, match="no prompt is left to train on: prompts that do not fit the base") as refused:
        run(alone, settings_of(alone))
    assert refused.value.field == "prompts"


def test_a_cancelled_run_saves_and_its_continuation_is_the_run_that_was_not_cancelled(home):
    stopped = context(home)
    home.runs.request_cancel(stopped.run.id)
    stopped = RunContext(home, home.runs.get(stopped.run.id))
    with pytest.raises(Cancelled):
        run(stopped, settings_of(stopped))
    assert len(home.policies.all()) == 1
    going_on, never_stopped = context(home, resumes=stopped.run.id), context(home)
    found = []
    for one in (going_on, never_stopped):
        # the newest policy is the other continuation's by then: both start from the first
        result = run(one, parse_settings(PPOSettings, one.run.settings | {"from": "p1"}))
        found.append(read_adapter(home.home / home.policies.get(result.produced[0]).adapter)[1])
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[1])


def test_only_train_prompts_are_trained_on(home):
    texts = {row["prompt"] for row in training_rows(home, "")}
    assert texts == {prompt.text for prompt in home.prompts.all(split="train")}
    for split in ("test", "validation"):
        with pytest.raises(BadInput, match=f"no run trains on {split}"):
            training_rows(home, split)
    with pytest.raises(BadInput, match="no train prompts from 'nowhere'"):
        training_rows(home, "nowhere")

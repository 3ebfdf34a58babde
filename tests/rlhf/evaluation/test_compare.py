# SPDX-License-Identifier: Apache-2.0
"""Comparisons of policies on a tiny random base, by a judge whose gold is easy to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from data import Store
from data.errors import BadInput
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.evaluation.compare import compare
from rlhf.evaluation.evaluate import (
    POLITE,
    EncodedPrompt,
    best_of_report,
    draw_and_judge,
    judge_answers,
    mean_kl,
)
from rlhf.evaluation.judges import rubric_judge
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler, SampledAnswer, SamplingLimits
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from rlhf.settings import CompareSettings
from tests.support.tiny_model import make_tiny_model

SHORT = {"max_new_tokens": 6, "prompts": 12, "best_of": 3, "batch_size": 16}


def letters(facts: dict, text: str, ended: bool) -> dict[str, float]:
    """Score half a point for each letter e, and 1 for an answer that ends."""
    return {"fit": 0.5 * text.count("e"), "finish": float(ended)}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=160)


@pytest.fixture
def store_with_policies(store: Store, base: Path) -> Store:
    """p1: the bare base; p2: an adapter that changes nothing; p3: one that does; r1: a random reward model."""
    store.policies.add(name="base", kind="base", base=str(base))
    model = Base.load(base)
    torch.manual_seed(3)
    for number, spread in ((2, 0.0), (3, 0.3)):
        model.add_adapter(f"made-{number}")
        for matrix in model.parameters(f"made-{number}"):
            matrix.data.normal_(0, spread)
        folder = store.home / "policies" / f"p{number}"
        model.save_adapter(f"made-{number}", folder)
        store.policies.add(
            name=f"adapter {number}", kind="ppo", base=str(base), adapter=f"policies/p{number}", parent_id=1
        )
    RewardModel(model, [Member("made-2", torch.randn(model.hidden_size))], describe_base(model)).save(
        store.home / "rewards" / "r1"
    )
    store.reward_models.add(name="random", base=str(base), adapter="rewards/r1")
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test", "facts": {"n": n}} for n in range(100))
    return store


def report(store: Store, **settings: object) -> dict:
    chosen = parse_settings(CompareSettings, {**SHORT, **settings})
    context = RunContext(store, store.runs.enqueue("compare", as_dict(chosen), "test"))
    (figures,) = compare(context, chosen, letters).report["evaluations"]
    return figures


def test_the_report_names_policies_and_judge_and_is_stored(store_with_policies: Store) -> None:
    figures = report(store_with_policies, policies="p3", against="p1", reward="r1")
    assert (figures["policy"], figures["against"], figures["judge"], figures["prompts"], figures["draws"]) == (
        "p3",
        "p1",
        "rubric",
        12,
        2,
    )
    assert store_with_policies.evaluations.latest(3, 1, "rubric").report == figures
    assert {
        "win_rate",
        "win_rate_ci",
        "win_rate_noisy",
        "kl",
        "gold_start",
        "gold_end",
        "fit_start",
        "fit_end",
        "distinct_2_start",
        "distinct_2_end",
        "length_end",
        "unended_end",
        "collapsed",
        "gold_gain_std",
        "constant_answer",
        "best_of_3",
        "best_of_3_gold",
        "reward_start",
        "reward_end",
        "examples",
    } <= set(figures)


def test_a_policy_with_the_weights_of_its_start_has_no_kl(store_with_policies: Store) -> None:
    assert report(store_with_policies, policies="p2", against="p1")["kl"] == pytest.approx(0.0, abs=1e-4)


def test_a_changed_policy_has_positive_kl(store_with_policies: Store) -> None:
    """KL is not negative; sampled, with 24 answers of a clearly different policy, it is far above 0."""
    assert report(store_with_policies, policies="p3", against="p1")["kl"] > 0.1


def test_logps_of_sampled_answers_are_those_of_the_sampler(store_with_policies: Store) -> None:
    sampler = AnswerSampler.load(store_with_policies, Bases(), store_with_policies.policies.get(3))
    prompts = [sampler.encode(prompt) for prompt in store_with_policies.prompts.all(limit=5)]
    with sampler.base.role(sampler.role):
        noise = draw_uniforms(0, 0, [(n, 0) for n in range(5)], 8)
        rollout = generate(sampler.base, prompts, noise, max_new_tokens=8, banned=banned_ids(sampler.base))
    assert sampler.logps(prompts, rollout.ids, most=2) == pytest.approx(
        [sum(row) for row in rollout.logps], rel=1e-5, abs=1e-3
    )


def test_the_same_seed_gives_the_same_report_for_any_batch_size(store_with_policies: Store) -> None:
    first, second = (report(store_with_policies, policies="p3", against="p1", batch_size=size) for size in (4, 64))
    assert first["gold_draws"] == second["gold_draws"]
    assert first["win_rate_ci"] == second["win_rate_ci"]


def test_only_test_prompts_are_answered(store_with_policies: Store) -> None:
    figures = report(store_with_policies, policies="p3", against="p1", prompts=1000)
    assert figures["prompts"] == store_with_policies.prompts.count("test")


def test_a_policy_is_compared_with_its_parent_by_default(store_with_policies: Store) -> None:
    assert report(store_with_policies, policies="p3")["against"] == "p1"
    assert report(store_with_policies, policies="p3", against="p2")["against"] == "p2"


def test_several_policies_share_the_draws_of_their_common_opponent(store_with_policies: Store) -> None:
    chosen = parse_settings(CompareSettings, {**SHORT, "policies": "p2,p3", "against": "p1"})
    context = RunContext(store_with_policies, store_with_policies.runs.enqueue("compare", as_dict(chosen), "test"))
    first, second = compare(context, chosen, letters).report["evaluations"]
    assert first["gold_draws"]["start"] == second["gold_draws"]["start"]
    assert first["gold_draws"]["end"] != second["gold_draws"]["end"]


def test_a_reward_model_judges_prompts_that_the_rubric_does_not_know(store: Store, store_with_policies: Store) -> None:
    figures = report(store_with_policies, policies="p3", judge="reward", reward="r1")
    assert (figures["judge"], figures["fit_end"]) == ("r1", None)
    assert figures["gold_end"] == pytest.approx(figures["reward_end"])
    assert store_with_policies.evaluations.latest(3, 1, "r1") is not None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"policies": "p1"}, "p1 has no parent"),
        ({"policies": "p9"}, "there is no policy p9"),
        ({"policies": "p3", "judge": "reward"}, "judge=reward needs a reward model"),
        ({"policies": "p3", "reward": "r7"}, "there is no reward model r7"),
        ({"policies": "p3", "max_new_tokens": 160}, "leaves room for 160 tokens"),
    ],
)
def test_impossible_comparisons_are_refused(store_with_policies: Store, settings: dict, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        report(store_with_policies, **settings)


def test_prompts_without_facts_need_a_reward_model(store: Store, base: Path) -> None:
    store.policies.add(name="base", kind="base", base=str(base))
    store.policies.add(name="child", kind="base", base=str(base), parent_id=1)
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "mine.jsonl"} for n in range(40))
    with pytest.raises(BadInput, match="the rubric knows none of the .* judge=reward"):
        report(store, policies="p2")


def test_best_of_n_chooses_the_answer_with_the_highest_score() -> None:
    """Golds 0 3 / 1 1 for two prompts, scores prefer the second answer of the first and the first of the second."""
    answers = [[SampledAnswer("", [], True)] * 2] * 2
    pool = judge_answers(
        [
            [SampledAnswer("", [], True), SampledAnswer("e", [], True)],
            [SampledAnswer("eee", [], True), SampledAnswer("", [], True)],
        ],
        [None, None],
        count_e,
    )
    start = judge_answers(answers, [None, None], count_e)
    figures = best_of_report(pool, np.array([[0.0, 1.0], [1.0, 0.0]]), start)
    assert (figures["gold"], figures["win_rate"]) == (2.0, 1.0)
    worst = best_of_report(pool, np.array([[1.0, 0.0], [0.0, 1.0]]), start)
    assert (worst["gold"], worst["win_rate"]) == (0.0, 0.5)


def count_e(prompts: list, answers: list) -> list:
    """Judge answers by their number of letters e."""
    return rubric_judge(lambda facts, text, ended: {"fit": float(text.count("e"))})([Fact()] * len(answers), answers)


class Fact:
    """A prompt with the only field that the rubric reads."""

    facts: dict = {}


def test_draws_of_the_polite_answer_do_not_depend_on_the_prompt(store_with_policies: Store) -> None:
    figures = report(store_with_policies, policies="p3")["constant_answer"]
    assert figures["gold"] == pytest.approx(1.0 + 0.5 * POLITE.count("e"))


def test_kl_is_left_out_between_two_bases(store_with_policies: Store, tmp_path: Path) -> None:
    other = make_tiny_model("gpt2", tmp_path / "gpt2", context=64)
    store_with_policies.policies.add(name="other", kind="base", base=str(other), parent_id=1)
    bases = Bases()
    mine, start = (
        AnswerSampler.load(store_with_policies, bases, store_with_policies.policies.get(id)) for id in (4, 1)
    )
    questions = [EncodedPrompt(prompt, mine.encode(prompt)) for prompt in store_with_policies.prompts.all(limit=3)]
    drawn = draw_and_judge(
        mine,
        questions,
        range(1),
        rubric_judge(letters),
        limits=SamplingLimits(4, 8),
        seed=0,
        on_progress=lambda n: None,
    )
    assert mean_kl(mine, start, questions, drawn) is None

# SPDX-License-Identifier: Apache-2.0
"""Best of n: the bound on its KL against enumerated distributions, the choice itself, and the policy in the store."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict
from rlhf.common.metrics import best_of_n_kl, expected_best
from rlhf.evaluation.compare import compare
from rlhf.export import export_policy
from rlhf.methods.answer_samplers import BestOfN, load_sampler, scores_of
from rlhf.methods.best_of_n import run
from rlhf.methods.sample import run as sample
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from rlhf.settings import BestOfNSettings, CompareSettings, SampleSettings
from tests.support.tiny_model import make_tiny_model

SMALL = BestOfNSettings(n=3, validation_prompts=4, max_new_tokens=5, batch_size=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"), context=160)


def context_of(store, kind, settings):
    return RunContext(store, store.runs.enqueue(kind, as_dict(settings), "test"))


def best_of(n, chances):
    """Return the distribution of the best of n draws, by enumeration; a later outcome is better."""
    chances_of_best = [0.0] * len(chances)
    for draw in itertools.product(range(len(chances)), repeat=n):
        chances_of_best[max(draw)] += math.prod(chances[outcome] for outcome in draw)
    return chances_of_best


def kl(new, old):
    return sum(a * math.log(a / b) for a, b in zip(new, old, strict=True))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_kl_of_best_of_n_is_below_its_bound(n):
    chances = [0.1, 0.3, 0.2, 0.25, 0.15]
    chances_of_best = best_of(n, chances)
    assert sum(chances_of_best) == pytest.approx(1)
    assert 0 <= kl(chances_of_best, chances) <= best_of_n_kl(n) + 1e-12
    assert best_of_n_kl(1) == 0


@pytest.mark.parametrize("n", [2, 3])
def test_the_bound_is_nearly_reached_with_many_outcomes(n):
    """40 outcomes of equal chance: hardly any two draws are equal, and a hundredth of a nat is missing to ln n - (n - 1)/n."""
    chances = [1 / 40] * 40
    assert best_of_n_kl(n) - kl(best_of(n, chances), chances) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_expected_best_is_the_mean_over_all_subsets(count):
    scores = np.array([[0.3, -1.0, 2.0, 0.7], [5.0, 1.0, 1.0, -2.0]])
    subsets = [max(row[list(chosen)]) for row in scores for chosen in itertools.combinations(range(4), count)]
    assert expected_best(scores, count) == pytest.approx(np.mean(subsets))


def test_the_sampler_returns_the_answer_with_the_highest_score(judged):
    public = run(context_of(judged, "best-of-n", SMALL), SMALL).produced[0]
    sampler = load_sampler(judged, Bases(), judged.policies.get(public))
    assert isinstance(sampler, BestOfN)
    prompt = judged.prompts.all(split="test")[0]
    limits = SamplingLimits(5, 8)
    (given,) = sampler.draw([DrawRequest(prompt.id, sampler.encode(prompt), 2)], limits, seed=0)
    drawn = AnswerSampler.draw(
        sampler, [DrawRequest(prompt.id, sampler.encode(prompt), number) for number in (6, 7, 8)], limits, 0
    )
    scores = scores_of(sampler.scorer, [prompt] * 3, drawn)
    assert len(set(scores.tolist())) == 3
    assert given == drawn[int(scores.argmax())]


def test_the_policy_has_its_parents_weights_and_names_parent_and_reward(judged):
    context = context_of(judged, "best-of-n", SMALL)
    result = run(context, SMALL)
    policy = judged.policies.get(result.produced[0])
    assert (policy.kind, policy.parent_id, policy.reward_model_id, policy.adapter, policy.run_id) == (
        "best-of-n",
        1,
        1,
        None,
        context.run.id,
    )
    assert (policy.config["n"], policy.config["reward"]) == (3, "r1")
    assert result.report["kl_bound"] == pytest.approx(math.log(3) - 2 / 3)
    curve = judged.metrics.series(context.run.id, "best_of")
    assert [step for step, _ in curve] == [1, 2, 3]
    assert curve[0][1] < curve[1][1] < curve[2][1] == pytest.approx(result.report["reward_best"])


def test_it_is_sampled_for_the_labelers_like_any_policy(judged):
    public = run(context_of(judged, "best-of-n", SMALL), SMALL).produced[0]
    settings = SampleSettings(from_=public, against="p1", prompts=2, max_new_tokens=5)
    report = sample(context_of(judged, "sample", settings), settings).report
    assert (report["policies"], report["pairs"]) == ([public, "p1"], 2)


def test_compared_with_its_parent_its_kl_is_the_bound(judged):
    public = run(context_of(judged, "best-of-n", SMALL), SMALL).produced[0]
    settings = CompareSettings(
        policies=(public,), judge="reward", reward="r1", prompts=4, draws=1, best_of=0, max_new_tokens=5, batch_size=8
    )
    (figures,) = compare(context_of(judged, "compare", settings), settings, None).report["evaluations"]
    assert (figures["kl"], figures["kl_bound"]) == (pytest.approx(best_of_n_kl(3)), True)
    assert figures["reward_end"] > figures["reward_start"]


def test_a_cancelled_run_stores_no_policy(judged):
    context = context_of(judged, "best-of-n", SMALL)
    context._stop = True
    with pytest.raises(Cancelled):
        run(context, SMALL)
    assert judged.policies.count() == 1


def test_it_has_no_weights_to_export(judged, tmp_path):
    public = run(context_of(judged, "best-of-n", SMALL), SMALL).produced[0]
    with pytest.raises(BadInput, match="has no weights of its own .*Name p1 instead"):
        export_policy(judged, public, tmp_path / "out")
    assert not (tmp_path / "out").exists()

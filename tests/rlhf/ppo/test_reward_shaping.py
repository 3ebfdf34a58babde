# SPDX-License-Identifier: Apache-2.0
"""What judges may do wrong is told before a weight moves, and who reads ids reads the sampled ones."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import LowerConfidenceBound, RewardModel
from rlhf.ppo.reward_shaping import Scorer
from tests.support.tiny_model import make_tiny_model

PROMPTS = ["Name two animals.", "What is 12 plus 7?"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return [make_tiny_model("llama", folder / "one"), make_tiny_model("llama", folder / "two", vocab=300)]


def judge(base: Base, role: str = "judge") -> RewardModel:
    base.add_adapter(role)
    torch.manual_seed(len(role))
    for matrix in base.parameters(role):
        matrix.data.normal_(std=0.3)
    return RewardModel(base, [Member(role, torch.randn(base.hidden_size))], describe_base(base))


def test_a_judge_of_the_same_tokenizer_reads_the_sampled_ids_and_another_one_the_text(folders):
    policy, other = map(Base.load, folders)
    # bytes of "thank" one by one: no tokenizer would cut its text so
    ids = [policy.tokenizer.convert_tokens_to_ids(letter) for letter in "thank"]
    answers = [[*ids, min(policy.eos_ids)]] * 2
    assert policy.encode_completion("thank") != answers[0] == policy.encoding.append_end(ids)
    own, foreign = judge(policy), judge(other)
    assert Scorer(policy, own, 0.0).raw_scores(PROMPTS, answers).tolist() == own.score(PROMPTS, answers)
    assert Scorer(policy, foreign, 0.0).raw_scores(PROMPTS, answers).tolist() == pytest.approx(
        foreign.score(PROMPTS, ["thank", "thank"])
    )


def test_a_cautious_ensemble_reads_the_sampled_ids_too(folders):
    policy = Base.load(folders[0])
    members = [*judge(policy, "first").members, *judge(policy, "second").members]
    ensemble = RewardModel(policy, members, describe_base(policy))
    ids = [policy.tokenizer.convert_tokens_to_ids(letter) for letter in "thank"]
    scores, deviations = ensemble.score_with_deviation(*ensemble.encode(PROMPTS, [ids, ids]))
    found = Scorer(policy, LowerConfidenceBound(ensemble, 0.5), 0.0).raw_scores(PROMPTS, [ids, ids])
    assert found.tolist() == pytest.approx((scores - 0.5 * deviations).tolist(), rel=1e-5, abs=1e-5)
    assert deviations.min() > 0


def broken(prompts, texts):
    raise KeyError("reward table")


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        (broken, "the reward raised KeyError: 'reward table'"),
        (
            lambda prompts, texts: ["good", "bad"],
            "the reward raised ValueError: could not convert string to float: 'good'",
        ),
        (lambda prompts, texts: [1.0, None], "the reward raised TypeError"),
        (lambda prompts, texts: 3.0, "the reward raised TypeError"),
        (lambda prompts, texts: [1.0], "the reward gave 1 scores for 2 answers"),
        (lambda prompts, texts: [1.0, float("nan")], "the reward gave nan to the answer 'Sure'"),
        (lambda prompts, texts: [float("-inf"), 1.0], "the reward gave -inf to the answer 'no'"),
    ],
)
def test_a_judge_that_raises_or_returns_something_else_is_told_in_a_line(folders, reward, says):
    base = Base.load(folders[0])
    answers = [base.encode_completion("no"), base.encode_completion("Sure")]
    with pytest.raises(BadInput, match=says) as refused:
        Scorer(base, reward, 0.0).raw_scores(PROMPTS, answers)
    assert refused.value.field == "reward"

# SPDX-License-Identifier: Apache-2.0
"""An ensemble of reward models: its mean, its deviation and its folder, against members that are scored one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from data.errors import BadInput
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member, member_folder
from reward.model import LowerConfidenceBound, RewardModel
from tests.support.tiny_model import make_tiny_model

PROMPTS = ["Write a note to Mina.", "Name two animals.", "What is 12 plus 7?", "Hi"]
ANSWERS = ["Dear Mina, thank you so much.", "no.", "The answer is 19. I hope this helps you.", "Sure."]
MEMBERS = 3


def ensemble(base: Base) -> RewardModel:
    """Members with random adapters, and heads of different sizes: their raw scores are in different units."""
    members = []
    for number in range(MEMBERS):
        base.add_adapter(f"m{number}")
        torch.manual_seed(number)
        for matrix in base.parameters(f"m{number}"):
            matrix.data.normal_(std=0.3)
        head = 10.0**number * torch.randn(base.hidden_size) / base.hidden_size
        members.append(Member(f"m{number}", head))
    return RewardModel(base, members, describe_base(base))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture
def made(model):
    """An ensemble whose reference samples are the four answers above."""
    result = ensemble(Base.load(model))
    result.calibrate(*result.encode(PROMPTS, ANSWERS))
    return result


def members_alone(found: RewardModel, prompts, answers) -> np.ndarray:
    """(K, N) raw scores, each member by itself and each answer in a batch of its own."""
    return np.array(
        [
            [m.raw_scores(*m.encode([p], [a])).item() for p, a in zip(prompts, answers, strict=True)]
            for m in map(found.alone, range(len(found.members)))
        ]
    )


def test_score_and_deviation_are_those_of_the_standardised_members(made):
    raw = members_alone(made, PROMPTS, ANSWERS)
    offsets, scales = raw.mean(1, keepdims=True), raw.std(1, keepdims=True)
    z = (raw - offsets) / scales
    mean = z.mean(0)
    # the mean of the members is put to deviation 1 once more, and the deviation is told in that unit
    again = mean.std()
    scores, deviations = made.score_with_deviation(*made.encode(PROMPTS, ANSWERS))
    assert scores.numpy() == pytest.approx((mean - mean.mean()) / again, rel=1e-5, abs=1e-4)
    assert deviations.numpy() == pytest.approx(z.std(0) / again, rel=1e-5, abs=1e-4)
    assert made.score(PROMPTS, ANSWERS) == pytest.approx(scores.tolist(), rel=1e-5, abs=1e-5)


def test_a_member_with_a_hundred_times_the_scores_has_no_louder_voice(made):
    before = made.score(PROMPTS, ANSWERS)
    made.members[0].head.mul_(100)
    made.calibrate(*made.encode(PROMPTS, ANSWERS))
    assert made.score(PROMPTS, ANSWERS) == pytest.approx(before, rel=1e-5, abs=1e-4)


def test_raw_scores_of_equal_members_are_the_members_own_log_odds(model):
    base = Base.load(model)
    one = ensemble(base).first_member
    twin = RewardModel(base, [*one.members, *one.members], describe_base(base))
    ids = one.encode(PROMPTS, ANSWERS)
    assert twin.raw_scores(*ids).tolist() == pytest.approx(one.raw_scores(*ids).tolist())
    twin.calibrate(*ids)
    gaps = [np.diff(each.raw_scores(*ids).numpy()) for each in (twin, one)]
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-4)
    assert twin.score_with_deviation(*ids)[1].tolist() == pytest.approx([0.0] * 4, abs=1e-6)


def test_each_row_is_padded_once_and_seen_once_by_each_member(made, monkeypatch):
    collated, seen = [], []
    collate, hidden = Base.collate, Base.hidden
    monkeypatch.setattr(
        Base, "collate", lambda self, rows, *more: (collated.append(len(rows)), collate(self, rows, *more))[1]
    )
    monkeypatch.setattr(
        Base, "hidden", lambda self, ids, mask, **how: (seen.append(len(ids)), hidden(self, ids, mask, **how))[1]
    )
    made.score(PROMPTS, ANSWERS)
    assert (collated, seen) == ([4], [4] * MEMBERS)


def test_caution_takes_the_deviation_off_at_its_price(made):
    scores, deviations = made.score_with_deviation(*made.encode(PROMPTS, ANSWERS))
    assert LowerConfidenceBound(made, 0.0).score(PROMPTS, ANSWERS) == pytest.approx(scores.tolist())
    assert LowerConfidenceBound(made, 2.0).score(PROMPTS, ANSWERS) == pytest.approx(
        (scores - 2 * deviations).tolist(), rel=1e-5, abs=1e-5
    )


def test_a_reloaded_ensemble_gives_the_same_scores_as_roles_of_the_base_it_is_loaded_on(made, model, tmp_path):
    made.save(tmp_path / "r3")
    base = Base.load(model)
    base.add_adapter("policy", trainable=True)
    again = RewardModel.load(tmp_path / "r3", base)
    assert len(again.members) == MEMBERS
    assert base.adapters == ("policy", "reward:r3#0", "reward:r3#1", "reward:r3#2")
    with base.role("policy"):
        assert again.score(PROMPTS, ANSWERS) == pytest.approx(made.score(PROMPTS, ANSWERS), rel=1e-5, abs=1e-6)
    assert all(matrix.requires_grad for matrix in base.parameters("policy"))
    assert again.score_with_deviation(*again.encode(PROMPTS, ANSWERS))[1].equal(
        made.score_with_deviation(*made.encode(PROMPTS, ANSWERS))[1]
    )


def test_a_member_s_folder_is_a_reward_model_of_its_own(made, tmp_path):
    made.save(tmp_path / "r3")
    assert json.loads((tmp_path / "r3" / "reward.json").read_text())["members"] == MEMBERS
    for number in range(MEMBERS):
        alone = RewardModel.load(member_folder(tmp_path / "r3", number))
        assert alone.score(PROMPTS, ANSWERS) == pytest.approx(
            made.alone(number).score(PROMPTS, ANSWERS), rel=1e-5, abs=1e-6
        )


def test_an_ensemble_without_one_of_its_members_is_refused(made, tmp_path):
    made.save(tmp_path / "r3")
    (tmp_path / "r3" / "member-1" / "reward.json").unlink()
    with pytest.raises(BadInput, match="member-1' holds no reward model"):
        RewardModel.load(tmp_path / "r3")

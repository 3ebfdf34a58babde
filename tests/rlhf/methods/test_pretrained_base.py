# SPDX-License-Identifier: Apache-2.0
"""A pre-trained base lies under the home and moves with it."""

from __future__ import annotations

import pytest
import torch

from data import Store
from data.transfer.backup import back_up, restore
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.export import export_policy, export_reward_model
from rlhf.models.policy_loading import Bases
from tests.support.pretraining import pretrained, write_lines


@pytest.fixture
def text(tmp_path):
    return write_lines(tmp_path)


class TestHomeOfBase:
    """A pre-trained base lies under the home and loads after the home has moved."""

    @pytest.fixture
    def judged(self, store, text):
        """A store with a pre-trained base, a policy and a reward model on it."""
        policy, _, _ = pretrained(store, text=text, max_steps=1)
        base = Base.load(policy.base)
        for name in ("tuned", "judge"):
            base.add_adapter(name)
        base.save_adapter("tuned", store.home / "tuned")
        store.policies.publish(store.home / "tuned", name="tuned", kind="sft", base=policy.base, parent_id=policy.id)
        RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base)).save(
            store.home / "judge"
        )
        store.reward_models.publish(store.home / "judge", name="judge", base=policy.base)
        return store

    def test_the_stored_path_of_a_base_does_not_name_the_home(self, judged):
        assert judged.policies.get("p1").base == str(judged.home.resolve() / "policies" / "p1")
        written = {
            row["base"] for row in judged.rows("SELECT base FROM policies UNION ALL SELECT base FROM reward_models")
        }
        assert written == {"home:policies/p1"}

    def test_a_restored_home_has_its_bases(self, judged, tmp_path):
        back_up(judged, tmp_path / "all.tar")
        judged.close()
        judged.home.rename(tmp_path / "gone")
        restore(tmp_path / "again", tmp_path / "all.tar")
        self.check_models(tmp_path / "again", tmp_path)

    def test_a_moved_home_has_its_bases(self, judged, tmp_path):
        judged.close()
        judged.home.rename(tmp_path / "moved")
        self.check_models(tmp_path / "moved", tmp_path)

    def check_models(self, home, tmp_path):
        again = Store(home)
        base = Bases().of(again.policies.get("p2"))
        assert base.name == str(home / "policies" / "p1")
        record = again.reward_models.get("r1")
        judge = RewardModel.load(again.home / record.adapter, record.base)
        assert len(judge.score(["Say hi."], ["Hi."])) == 1
        export_policy(again, "p2", tmp_path / "policy", merge=True)
        export_reward_model(again, "r1", tmp_path / "judge", merge=True)
        assert Base.load(tmp_path / "policy").hidden_size == base.hidden_size
        again.close()

    def test_a_base_elsewhere_stays_where_it_is(self, store, tmp_path):
        places = ["starter", "org/model", str(tmp_path / "model")]
        assert [store.policies.add(name="one", kind="base", base=place).base for place in places] == places
        assert [row["base"] for row in store.rows("SELECT base FROM policies ORDER BY id")] == places

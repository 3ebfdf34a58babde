# SPDX-License-Identifier: Apache-2.0
"""Roles of reward models: `reward role` and the Reward page change them, and each change is in the audit list."""

from __future__ import annotations

import json

import gradio as gr
import pytest

import app
from data.errors import BadInput
from labeling.accounts.current import acting_as
from reward.page import RewardPage
from reward.roles import change_role


@pytest.fixture
def model(store):
    return store.reward_models.add(name="first", base="b", adapter="a")


def test_a_new_reward_model_is_a_driver_unless_it_says_otherwise(store, model):
    assert model.role == "driver"
    assert store.reward_models.add(name="second", base="b", adapter="a", role="guard").role == "guard"


def test_a_change_of_role_is_in_the_audit_list_once(store, model):
    assert change_role(store, "r1", "guard", by="rae").role == "guard"
    change_role(store, "r1", "guard", by="rae")
    acts = [(act["actor"], act["action"], act["detail"]) for act in store.audit.all()]
    assert acts == [("rae", "reward model role changed", {"model": "r1", "role": "guard"})]


@pytest.mark.parametrize(("name", "role"), [("r2", "guard"), ("r1", "king"), ("p1", "guard")])
def test_an_unknown_model_or_role_changes_nothing(store, model, name, role):
    with pytest.raises(BadInput):
        change_role(store, name, role, by="rae")
    assert store.reward_models.get(1).role == "driver"


def test_the_command_changes_and_shows_the_role(store, model, capsys):
    assert app.main(["reward", "role", "r1", "judge", "--home", str(store.home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reward_models"][0]["role"] == "judge"
    assert app.main(["reward", "show", "--home", str(store.home)]) == 0
    assert capsys.readouterr().out.startswith("r1  judge  first")
    assert app.main(["reward", "role", "r1", "king", "--home", str(store.home)]) == 2
    assert "driver, guard, judge" in capsys.readouterr().err


def test_the_page_shows_the_role_and_changes_it(store, model):
    with gr.Blocks():
        page = RewardPage(store, gr.Button().click, None)
    drawn = page.refresh("", "", "")
    assert "driver" in drawn[page.cards]
    assert drawn[page.role].value == "driver"
    rae = store.accounts.add("rae", "researcher")
    with acting_as(rae):
        changed = page.change_role("r1", "guard")
    assert "r1</a> is now a guard" in changed[page.role_status]
    assert "guard" in changed[page.cards]
    assert store.reward_models.get(1).role == "guard"
    assert page.cards in page.refresh("", drawn[page.seen], "r1")  # other readers see it too

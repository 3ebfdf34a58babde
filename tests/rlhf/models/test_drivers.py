# SPDX-License-Identifier: Apache-2.0
"""The default driver: the newest one, unless its accuracy is clearly below another's."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from rlhf.kinds import find_kind
from rlhf.models.drivers import choose_driver
from rlhf.models.reward_sources import choose_reward
from rlhf.runs.resolve import shown_defaults


def add(store, interval=None, role="driver"):
    report = {"accuracy": sum(interval) / 2, "ci": list(interval)} if interval else {}
    store.reward_models.add(name="reward", base="b", adapter="a", report=report, role=role)


@pytest.mark.parametrize(
    ("intervals", "chosen"),
    [
        ([(0.6, 0.8), (0.5, 0.7)], ("r2", "newest")),  # they overlap
        ([(0.7, 0.8), (0.5, 0.69)], ("r1", "best")),
        ([(0.7, 0.8), (0.72, 0.78), (0.5, 0.6)], ("r2", "best")),  # the newest of those that overlap the best
        ([(0.7, 0.8), None], ("r2", "newest")),  # nothing speaks against what nobody measured
        ([(0.5, 0.6), (0.7, 0.8)], ("r2", "newest")),
    ],
)
def test_the_newest_driver_is_chosen_unless_its_interval_lies_below_anothers(store, intervals, chosen):
    for interval in intervals:
        add(store, interval)
    driver = choose_driver(store)
    assert (driver.model.public, driver.why) == chosen
    assert shown_defaults(store, find_kind("ppo"))["reward"] == chosen


def test_guards_and_judges_never_drive_by_default_and_the_error_says_how_to_change_that(store):
    add(store, (0.9, 0.95), "guard")
    add(store, (0.9, 0.95), "judge")
    assert choose_driver(store) is None
    with pytest.raises(BadInput, match="no reward model of this home is a driver") as refused:
        choose_reward(store, "")
    assert "preference-loop reward role r2 driver" in refused.value.remedy
    assert choose_reward(store, "r1").role == "guard"  # by name anything drives


def test_a_home_without_reward_models_says_how_to_train_one(store):
    with pytest.raises(BadInput, match="no reward model yet"):
        choose_reward(store, "")

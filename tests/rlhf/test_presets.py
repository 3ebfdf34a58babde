# SPDX-License-Identifier: Apache-2.0
"""Presets are valid settings of their kind, a multiple of the defaults, and the time that they need is ordered."""

from __future__ import annotations

import pytest

from data.settings import as_dict, keys, parse_settings
from rlhf.kinds import KINDS, TRAININGS
from rlhf.presets import PRESETS, WORK, preset_keys, relative_work

EVERY = [(kind, name) for kind, presets in PRESETS.items() for name in presets]


def test_every_training_has_the_same_presets():
    assert {kind: list(presets) for kind, presets in PRESETS.items()} == dict.fromkeys(TRAININGS, ["quick", "thorough"])
    assert set(WORK) == set(TRAININGS)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_preset_changes_known_settings_to_a_multiple_or_a_part_of_their_defaults(kind, name):
    settings = KINDS[kind].settings_class()
    values, defaults = PRESETS[kind][name], as_dict(settings())
    assert as_dict(parse_settings(settings, values)) == defaults | values
    for key, value in values.items():
        if key != "method":
            factor = value / defaults[key]
            assert factor != 1
            assert factor in (1 / 10, 1 / 4, 1 / 2, 2, 3, 4), (key, factor)


@pytest.mark.parametrize("kind", TRAININGS)
def test_quick_is_at_most_half_the_work_and_thorough_at_least_twice_of_it(kind):
    defaults = as_dict(KINDS[kind].settings_class()())
    quick, standard, thorough = (
        relative_work(kind, defaults | PRESETS[kind].get(name, {})) for name in ("quick", "standard", "thorough")
    )
    assert quick <= standard / 2 or PRESETS[kind]["quick"] == {"method": "heads"}  # a second instead of minutes
    assert thorough >= standard * 2
    assert set(preset_keys(kind)) <= set(keys(KINDS[kind].settings_class()))


@pytest.mark.parametrize(
    ("kind", "settings", "work"),
    [
        ("ppo", {"max_steps": 9, "batch_size": 64}, 576),
        ("reward", {"members": 3, "part": "0.5-0.75", "max_steps": 0}, 0.75),
        ("reward", {"members": 3, "part": "0-1", "max_steps": 7}, None),  # the limit decides
        ("sft", {"epochs": 0.0, "max_steps": 0}, None),
        ("sft", {}, None),
        ("sample", {"prompts": 7}, None),
    ],
)
def test_the_work_is_the_product_of_the_settings_that_take_time(kind, settings, work):
    assert relative_work(kind, settings) == work

# SPDX-License-Identifier: Apache-2.0
"""A run takes the home's placement when it is queued, and keeps it."""

from __future__ import annotations

import pytest

from data import Store
from data.errors import BadInput
from reward import optional_packages
from reward.placement_settings import write_placement
from rlhf.kinds import find_kind
from rlhf.runs import supervisor
from rlhf.runs.launch import launch
from rlhf.runs.resolve import resolve


@pytest.fixture
def home(store: Store) -> Store:
    store.policies.add(name="demo", kind="base", base="starter")
    return store


def placed(store: Store, kind: str, **given: str) -> dict[str, str]:
    definition = find_kind(kind)
    settings = resolve(store, definition, definition.settings_class()(**given), "rae")
    return {key: getattr(settings, key) for key in ("device", "dtype", "quantize", "attention")}


def test_an_empty_placement_is_the_homes_and_a_given_field_stays(home: Store) -> None:
    write_placement(home.home, {"device": "cpu", "dtype": "bfloat16"})
    assert placed(home, "sample", dtype="float32") == {
        "device": "cpu",
        "dtype": "float32",
        "quantize": "none",
        "attention": "auto",
    }


def test_a_home_without_a_placement_leaves_the_choice_to_the_runs_machine(home: Store) -> None:
    assert placed(home, "sample") == {
        "device": "auto",
        "dtype": "auto",
        "quantize": "none",
        "attention": "auto",
    }


@pytest.mark.parametrize(
    ("setting", "package"),
    [("quantize=4bit", "bitsandbytes"), ("optimizer=adamw_8bit", "bitsandbytes"), ("attention=eager", "")],
)
def test_a_value_that_needs_a_missing_package_is_refused_before_the_run_is_queued(home, monkeypatch, setting, package):
    monkeypatch.setattr(optional_packages, "find_spec", lambda name: None)
    monkeypatch.setattr(supervisor, "ensure", lambda home: None)
    home.instructions.add("Name a dog.", "Rex.", source="test")
    if not package:
        assert launch(home, "sft", [setting], by="rae").settings["attention"] == "eager"
        return
    with pytest.raises(BadInput, match=f"{setting} needs {package}, which is not installed"):
        launch(home, "sft", [setting], by="rae")
    assert home.runs.all() == []

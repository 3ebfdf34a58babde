# SPDX-License-Identifier: Apache-2.0
"""Settings are read by the declared type of each field, all or nothing, and every refusal says what to write instead."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from data.errors import BadInput
from data.settings import LARGEST_SEED, LearningRate, Settings, as_dict, describe, option, parse_settings
from rlhf.kinds import KINDS


class Example(Settings):
    """Every kind of field there is."""

    from_: str
    max_steps: int = option(100, unit="steps", main=True, min=1)
    learning_rate: LearningRate = 1e-4
    adaptive: bool = True
    reward: str = ""
    target: float = option(4.0, min=0.0)
    layers: tuple[int, ...] = (1, 2)
    kind: Literal["k1", "k3"] = "k1"
    batch_size: int = option(64, min=32, multiple_of=32)


def test_values_are_converted_by_their_declared_types():
    given = [
        "from=p2",
        "max_steps=2e2",
        "learning_rate=3e-5",
        "adaptive=no",
        "reward=r1",
        "target=1e2",
        "layers=3, 4,",
        "kind=k3",
    ]
    assert parse_settings(Example, given) == Example(
        from_="p2",
        max_steps=200,
        learning_rate=3e-5,
        adaptive=False,
        reward="r1",
        target=100.0,
        layers=(3, 4),
        kind="k3",
    )


def test_what_is_not_given_has_its_default():
    assert parse_settings(Example, ["from=p2"]) == Example(from_="p2")


def test_settings_go_through_a_run_s_row_and_back(store):
    settings = Example(from_="p2", layers=(5,), target=0.5)
    written = as_dict(settings)
    assert written["from"] == "p2"
    run = store.runs.enqueue("ppo", written, "Mina")
    assert parse_settings(Example, run.settings) == settings


def test_a_field_s_own_name_is_taken_for_its_key():
    assert parse_settings(Example, {"from_": "p2", "max-steps": 7}) == Example(from_="p2", max_steps=7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("max_step=3", "there is no setting 'max_step'. Did you mean max_steps?"),
        ("lerning_rate=1", "Did you mean learning_rate?"),
        ("max_steps", "'max_steps' is not a setting. Write it as key=value"),
        ("max_steps=1.5", "max_steps='1.5' is not a whole number"),
        ("max_steps=many", "max_steps='many' is not a whole number"),
        ("max_steps=", "max_steps='' is not a whole number"),
        ("max_steps=inf", "max_steps='inf' is not a whole number"),
        ("learning_rate=nan", "learning_rate='nan' is not a finite number"),
        ("learning_rate=high", "learning_rate='high' is not a number. Give a number"),
        ("nosuch=1", "there is no setting 'nosuch'. All: "),
        ("lr=1", "there is no setting 'lr'. Did you mean learning_rate?"),
        ("zzzz=1", "there is no setting 'zzzz'. All: from, max_steps"),
        ("adaptive=maybe", "adaptive='maybe' is not true or false"),
        ("layers=1,x", "layers='x' is not a whole number"),
        ("kind=k2", "kind='k2' is none of the choices. Use one of k1, k3"),
        ("max_steps=0", "max_steps=0 is out of range. Give at least 1"),
        ("learning_rate=2", "learning_rate=2 is out of range. Give at least 0.0 and at most 1.0"),
        ("target=-1", "target=-1 is out of range"),
        ("batch_size=16", "batch_size=16 is not a multiple of 32. Give 32 or 64"),
        ("batch_size=100", "batch_size=100 is not a multiple of 32. Give 96 or 128"),
        ("batch_size=0", "batch_size=0 is out of range. Give at least 32"),
    ],
)
def test_bad_settings_are_refused_with_what_to_write(given, message):
    with pytest.raises(BadInput) as refused:
        parse_settings(Example, ["from=p2", given])
    assert message in str(refused.value).replace(f" (field {refused.value.field!r})", "")
    assert refused.value.field


def test_a_missing_key_is_named():
    with pytest.raises(BadInput, match="the setting from is missing"):
        parse_settings(Example, [])


def test_the_first_bad_setting_in_the_given_order_is_reported():
    with pytest.raises(BadInput, match="target=-1 "):
        parse_settings(Example, {"target": -1, "from": "p2", "max_steps": 0})


def test_a_true_value_is_no_number():
    with pytest.raises(BadInput, match="learning_rate=True is not a number"):
        parse_settings(Example, {"from": "p2", "learning_rate": True})


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Example(from_="p2").from_ = "p3"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_shared_options_have_one_bound_in_every_kind_of_run(kind):
    bounds = {"seed": (0, LARGEST_SEED), "rank": (1, 1024), "learning_rate": (0.0, 1.0)}
    for key, (low, high) in bounds.items():
        if key in kind.settings_class().model_fields:
            for value in (low, high):
                assert parse_settings(kind.settings_class(), {key: value})
            for value in (low - 1, high + 1):
                with pytest.raises(BadInput, match=f"Give at least {low} and at most {high}"):
                    parse_settings(kind.settings_class(), {key: value})


@pytest.mark.parametrize("value", [True, "5 steps", None, 1.5])
def test_values_of_the_wrong_type_in_json_are_refused(value):
    with pytest.raises(BadInput, match="is not a whole number"):
        parse_settings(Example, {"from": "p2", "max_steps": value})


def test_forms_get_key_type_default_unit_and_rank():
    described = describe(Example)
    assert [one.key for one in described] == ["from", *list(Example.model_fields)[1:]]
    assert described[0].default is None
    assert described[1] == ("max_steps", int, 100, "steps", True)
    assert not described[2].main

"""Settings are read by the declared type of each field, all or nothing, and every refusal says what to write instead."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import pytest

from data.errors import BadInput
from data.settings import MISSING, as_dict, describe, parse_settings


@dataclass(frozen=True, slots=True)
class Example:
    """Every kind of field there is."""

    from_: str
    max_steps: int = field(default=100, metadata={"help": "Stop here.", "unit": "steps", "main": True, "min": 1})
    learning_rate: float = field(default=1e-4, metadata={"min": 0.0, "max": 1.0})
    adaptive: bool = True
    reward: str | None = None
    target: float | None = field(default=4.0, metadata={"min": 0.0})
    layers: tuple[int, ...] = (1, 2)
    kind: Literal["k1", "k3"] = "k1"
    batch_size: int = field(default=64, metadata={"min": 32, "multiple_of": 32})


def test_values_are_converted_by_their_declared_types():
    given = [
        "from=p2",
        "max_steps=2e2",
        "learning_rate=3e-5",
        "adaptive=no",
        "reward=r1",
        "target=none",
        "layers=3, 4,",
        "kind=k3",
    ]
    assert parse_settings(Example, given) == Example("p2", 200, 3e-5, False, "r1", None, (3, 4), "k3")


def test_what_is_not_given_has_its_default():
    assert parse_settings(Example, ["from=p2"]) == Example("p2")


def test_settings_go_through_a_run_s_row_and_back(store):
    settings = Example("p2", layers=(5,), target=None)
    written = as_dict(settings)
    assert written["from"] == "p2"
    run = store.runs.enqueue("ppo", written, "Mina")
    assert parse_settings(Example, run.settings) == settings


def test_a_field_s_own_name_is_taken_for_its_key():
    assert parse_settings(Example, {"from_": "p2", "max-steps": 7}) == Example("p2", 7)


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
        ("learning_rate=nan", "learning_rate='nan' is not a number"),
        ("adaptive=maybe", "adaptive='maybe' is not true or false"),
        ("layers=1,x", "layers='x' is not a whole number"),
        ("kind=k2", "kind='k2' is none of the choices. Take one of k1, k3"),
        ("max_steps=0", "max_steps=0 is out of range. Give at least 1"),
        ("learning_rate=2", "learning_rate=2.0 is out of range. Give at least 0.0 and at most 1.0"),
        ("target=-1", "target=-1.0 is out of range"),
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


@pytest.mark.parametrize("value", [True, "5 steps", None, 1.5])
def test_values_of_the_wrong_type_in_json_are_refused(value):
    with pytest.raises(BadInput, match="is not a whole number"):
        parse_settings(Example, {"from": "p2", "max_steps": value})


def test_forms_get_key_type_default_help_unit_and_rank():
    described = describe(Example)
    assert [one.key for one in described] == ["from", *(one.name for one in fields(Example)[1:])]
    assert described[0].default is MISSING
    assert described[1] == ("max_steps", int, 100, "Stop here.", "steps", True)
    assert not described[2].main

# SPDX-License-Identifier: Apache-2.0
"""Notes are changed field by field, checked, and in the audit list."""

from __future__ import annotations

import json

import pytest

from app import main
from data.errors import BadInput
from data.records import Note
from rlhf.runs.notes import change_note, edit_tags, split_tags


@pytest.fixture
def run(store):
    return store.runs.enqueue("ppo", {}, "rae")


def test_only_the_given_fields_change_and_the_audit_names_them(store, run):
    change_note(store, run.public, by="account 7", name=" first try ", tags=("lr",))
    assert change_note(store, run.public, by="account 7", archived=True) == Note(
        "first try", "", ("lr",), archived=True
    )
    acts = [(act["actor"], act["action"], act["detail"]) for act in store.audit.all()]
    assert acts == [
        ("account 7", "note changed", {"thing": "run1", "changed": ["archived"]}),
        ("account 7", "note changed", {"thing": "run1", "changed": ["name", "tags"]}),
    ]


def test_a_change_to_the_same_is_no_act(store, run):
    change_note(store, run.public, by="rae", name="")
    assert store.audit.all() == []


def test_policies_and_reward_models_have_notes_too(store):
    store.policies.add(name="base", kind="base", base="b")
    store.reward_models.add(name="judge", base="b", adapter="a")
    for thing in ("p1", "r1"):
        change_note(store, thing, by="rae", text="keep")
    assert (store.notes.get("p", 1).text, store.notes.get("r", 1).text) == ("keep", "keep")


@pytest.mark.parametrize("thing", ["run2", "p1", "s1", "run", "1"])
def test_an_unknown_thing_is_refused(store, run, thing):
    with pytest.raises(BadInput):
        change_note(store, thing, by="rae", name="x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "x" * 61}, "at most 60"),
        ({"name": "a\nb"}, "at most 60"),
        ({"text": "x" * 5_001}, "5,001"),
        ({"tags": ("x" * 31,)}, "at most 30"),
        ({"tags": ("a,b",)}, "a,b"),
        ({"tags": tuple("abcdefghijklm")}, "13"),
    ],
)
def test_what_is_too_long_is_refused_and_nothing_changes(store, run, changes, message):
    with pytest.raises(BadInput, match=message):
        change_note(store, run.public, by="rae", **changes)
    assert store.notes.all("run") == {}


def test_tags_are_a_list_with_commas_each_once():
    assert split_tags(" lr, keep,,lr ") == ("lr", "keep")
    assert edit_tags(("a", "b"), ("c", "a"), ("b",)) == ("a", "c")


def test_the_command_changes_what_its_options_name_and_the_list_shows_it(store, run, capsys):
    def call(*words: str) -> dict:
        assert main(["runs", *words, "--json", "--home", str(store.home)]) == 0
        return json.loads(capsys.readouterr().out)

    call("note", "run1", "--name", "first", "--tag", "a", "--tag", "b", "--baseline")
    noted = call("note", "run1", "--untag", "a", "--archive", "--text", "too short")
    rest = {"text": "too short", "tags": ["b"], "archived": True, "baseline": True}
    assert noted == {"thing": "run1", "name": "first", **rest}
    (listed,) = call("list")["runs"]
    assert {key: listed[key] for key in ("name", *rest)} == {"name": "first", **rest}
    assert main(["runs", "--home", str(store.home)]) == 0
    assert '(ppo, "first", #b, archived, baseline)' in capsys.readouterr().out


def test_the_command_refuses_to_change_nothing(store, run, capsys):
    assert main(["runs", "note", "run1", "--home", str(store.home)]) == 2
    assert "--tag keep" in capsys.readouterr().err

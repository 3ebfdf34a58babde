# SPDX-License-Identifier: Apache-2.0
"""`preference-loop projects`: what it prints, what it changes, what it refuses."""

from __future__ import annotations

import json

import pytest

import app
from data.tables.forms import Form
from labeling.session import Answer, Session


@pytest.fixture
def run(home, store, capsys):
    """run(*arguments) -> (status, document): a command on the test's home with --json."""

    def call(*arguments):
        status = app.main([*arguments, "--home", str(home), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def test_a_project_is_added_shown_and_listed(store, run, tmp_path):
    guideline = tmp_path / "rules.md"
    guideline.write_text("# Rules\n\nPrefer the true one.\n")
    form = ("--form", "scale=plain", "tie=off", "aspects=helpful, honest")
    status, project = run(
        "projects", "add", "Notes", "--guideline", str(guideline), *form, "--overlap", "2", "--gold-rate", "0.1"
    )
    assert status == 0
    assert (project["name"], project["overlap"], project["guideline"], project["guideline_version"]) == (
        "Notes",
        2.0,
        "# Rules\n\nPrefer the true one.",
        1,
    )
    assert store.projects.by_name("notes").form == Form(scale="plain", tie=False, aspects=("helpful", "honest"))
    assert [row["name"] for row in run("projects", "list")[1]["projects"]] == ["Standard", "Notes"]
    assert run("projects", "show", "NOTES")[1] == project
    assert store.audit.all()[0]["action"] == "project added"


def test_a_change_keeps_what_was_not_named(store, run, tmp_path):
    run("projects", "add", "Notes", "--form", "edit=on")
    guideline = tmp_path / "rules.md"
    guideline.write_text("Prefer the kind one.")
    _, changed = run(
        "projects",
        "change",
        "Notes",
        "--rename",
        "Letters",
        "--form",
        "rationale=required",
        "--guideline",
        str(guideline),
        "--close",
    )
    assert (changed["name"], changed["closed"], changed["guideline_version"]) == ("Letters", True, 2)
    assert store.projects.by_name("Letters").form == Form(edit=True, rationale="required")


def test_people_are_given_and_taken(store, run):
    store.accounts.add("Mina", "labeler")
    run("projects", "add", "Notes")
    assert run("projects", "give", "Notes", "mina")[1]["people"] == ["Mina"]
    assert run("projects", "take", "Notes", "Mina")[1]["people"] == []


def test_filling_moves_what_nobody_has_judged(store, run, add_pairs):
    add_pairs(5)
    session = Session(store, store.accounts.add("Mina", "labeler"))
    session.submit(Answer("answer-1", session.next().assignment, "left"))
    run("projects", "add", "Notes")
    assert run("projects", "fill", "Notes", "--source", "other")[1] == {"moved": 0}
    assert run("projects", "fill", "Notes", "--source", "test", "--limit", "3")[1] == {"moved": 3}
    assert run("projects", "fill", "Notes")[1] == {"moved": 1}
    assert store.projects.counts(1)["pairs"] == 1


def test_gold_is_what_a_person_said(store, run, add_pairs):
    add_pairs(3)
    session = Session(store, store.accounts.add("Rae", "researcher"))
    for number, verdict in enumerate(("left_slightly", "tie", "both_bad")):
        session.submit(Answer(f"answer-{number}", session.next().assignment, verdict, rationale="clear"))
    assert run("projects", "gold", "Standard", "--as-judged-by", "rae")[1] == {"gold": 3}
    assert {row.outcome for row in store.gold.all()} == {"winner", "tie", "both_bad"}
    assert {(row.note, row.set_by) for row in store.gold.all()} == {("clear", "Rae")}
    first, second, third = (row.pair_id for row in store.gold.all())
    assert run("projects", "gold", "Standard", "--unset", str(first), str(third))[1] == {"unset": 2}
    assert [row.pair_id for row in store.gold.all()] == [second]
    code, refused = run("projects", "gold", "Standard", "--unset", str(second), str(first))
    assert (code, refused["field"]) == (2, "unset")
    assert refused["error"] == f"pair {first} is not a gold item of Standard"
    assert refused["remedy"] == f"Its gold items: {second}."
    assert [row.pair_id for row in store.gold.all()] == [second]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "Nothing"), "there is no project 'Nothing'"),
        (("add", "standard"), "already"),
        (("add", "Notes", "--overlap", "0"), "out of range"),
        (("add", "Notes", "--form", "scale"), "key=value"),
        (("add", "Notes", "--form", "tie=perhaps"), "not true or false"),
        (("add", "Notes", "--guideline", "/nowhere.md"), "No such file"),
        (("give", "Standard", "Nobody"), "no account 'Nobody'"),
        (("fill", "Standard", "--run", "seven"), "not the id of a run"),
        (("change", "Standard", "--gold-rate", "2"), "out of range"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(store, run, arguments, message):
    before = store.rows("SELECT * FROM projects")
    status, document = run("projects", *arguments)
    assert status == 2
    assert message in document["error"]
    assert store.rows("SELECT * FROM projects") == before

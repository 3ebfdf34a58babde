# SPDX-License-Identifier: Apache-2.0
"""import, export, backup, restore and store on the command line: JSON out, one line and status 2 for bad input."""

from __future__ import annotations

import argparse
import json
from contextlib import closing

import pytest

import app
from data import Store, commands, store_commands
from data.views.preferences import preference_rows
from data.views.rebuild_derived import REBUILT
from tests.support.data.import_rows import counted


@pytest.fixture
def call(home, capsys):
    """Run a command on this test's home -> (exit status, its JSON document)."""

    def run(*argv: object) -> tuple[int, dict]:
        status = app.main([*map(str, argv), "--home", str(home), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def given(tmp_path):
    file = tmp_path / "given.jsonl"
    rows = [{"prompt": f"Say {n}.", "chosen": str(n), "rejected": "no"} for n in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_ring_of_files(call, given, home, tmp_path):
    status, document = call("import", given, "--as", "preferences")
    assert (status, counted(document)) == (0, {"read": 3, "added": 3, "duplicate": 0, "rejected": 0})
    out = tmp_path / "out.jsonl.gz"
    status, document = call("export", out, "--what", "preferences", "--format", "hh")
    assert (status, document) == (0, {"rows": 3, "omitted": {}, "files": [str(out)]})
    assert call("backup", tmp_path / "all.tar")[0] == 0
    status, error = call("restore", tmp_path / "all.tar")
    assert (status, error["error"]) == (2, "the home is not empty")
    home.rename(tmp_path / "old")
    assert call("restore", tmp_path / "all.tar")[0] == 0
    store = Store(home)
    assert store.comparisons.count("import") == 3
    store.close()


def test_an_export_names_the_model_or_counts_the_rows():
    policy = {"rows": 1, "omitted": {}, "files": ["p3/a"], "exported": "p3"}
    rows = {"rows": 1200, "omitted": {"pair adjudicated": 2}, "files": ["out.jsonl"]}
    assert commands.render_export(policy) == "p3 exported\np3/a"
    assert commands.render_export(rows) == "1,200 rows\nleft out, pair adjudicated: 2\nout.jsonl"


@pytest.mark.parametrize("what", ["preferences", "pairs", "completions"])
def test_an_import_goes_to_the_labeling_project_that_is_named(call, given, home, tmp_path, what):
    with closing(Store(home)) as store:
        notes = store.projects.add("Notes").id
    if what == "completions":
        rows = [{"prompt": "Say 1.", "completion": text, "model": text} for text in ("one", "uno")]
        given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert call("import", given, "--as", what, "--project", "notes")[0] == 0
    with closing(Store(home)) as store:
        assert {row["project_id"] for row in store.rows("SELECT project_id FROM pairs")} == {notes}
        if what == "preferences":
            assert {row.project for row in preference_rows(store)} == {"Notes"}
        else:
            assert store.projects.counts(notes)["pairs"] == store.pairs.count()


def test_simulated_labels_of_a_file_go_to_the_project_that_is_named(call, given, home):
    given.write_text(
        "".join(
            json.dumps(json.loads(line) | {"source": "simulated"}) + "\n" for line in given.read_text().splitlines()
        )
    )
    with closing(Store(home)) as store:
        store.projects.add("Notes")
    assert call("import", given, "--as", "preferences", "--project", "Notes")[1]["added"] == 3
    with closing(Store(home)) as store:
        assert {row.project for row in preference_rows(store, source="simulated")} == {"Notes"}


@pytest.mark.parametrize(
    ("what", "more", "error"),
    [
        (
            "preferences",
            [],
            {"error": "there is no project 'Nots'", "remedy": "Take one of Standard, Notes.", "field": "project"},
        ),
        (
            "preferences",
            ["--dry-run"],
            {"error": "there is no project 'Nots'", "remedy": "Take one of Standard, Notes.", "field": "project"},
        ),
        (
            "prompts",
            [],
            {"error": "prompts belong to no labeling project", "remedy": "Leave out the project.", "field": "project"},
        ),
    ],
)
def test_a_project_that_cannot_be_is_refused_before_anything_is_read(call, home, tmp_path, what, more, error):
    with closing(Store(home)) as store:
        store.projects.add("Notes")
    status, document = call("import", tmp_path / "nothing.jsonl", "--as", what, "--project", "Nots", *more)
    assert (status, {name: document[name] for name in error}) == (2, error)


def test_bad_input_is_one_line_with_its_place(call, given, home, capsys):
    given.write_text(given.read_text() + '{"promt": "a"}\n')
    status, error = call("import", given, "--as", "prompts")
    assert status == 2
    assert error == {
        "error": "the row has no 'prompt'; it has 'promt' (3 of 4 rows are good)",
        "file": str(given),
        "line": 4,
        "field": "prompt",
        "remedy": "Most bad rows can be read with --map prompt=promt. Correct it, or import the good rows with --skip-bad.",
    }
    assert app.main(["import", str(given), "--as", "prompts", "--home", str(home)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert call("import", given, "--as", "prompts", "--skip-bad")[1]["rejected"] == 1


def test_a_model_export_asks_for_the_id(call, home, tmp_path):
    Store(home).close()
    status, error = call("export", tmp_path / "out", "--what", "policy")
    assert (status, error["error"], error["field"]) == (2, "the policy to export is missing", "id")
    assert call("export", tmp_path / "out", "--what", "policy", "--id", "p4")[1]["error"] == "there is no policy p4"


def test_people_read_counts(given, home, capsys):
    assert app.main(["import", str(given), "--as", "preferences", "--home", str(home)]) == 0
    assert capsys.readouterr().out == (
        "import 1: 3 read, 3 added, 0 duplicate, 0 rejected\n"
        "read: prompt (prompt), chosen (better answer), rejected (worse answer)\n"
        "3 comparisons added: train a reward model with preference-loop train reward\n"
    )
    out = given.with_name("out.jsonl")
    assert app.main(["export", str(out), "--what", "preferences", "--home", str(home)]) == 0
    assert capsys.readouterr().out == f"3 rows\n{out}\n"


def test_store_rebuild_recreates_the_derived_tables(call, given, home, capsys):
    given.write_text(
        "".join(line.replace("}", ', "source": "simulated"}') + "\n" for line in given.read_text().splitlines())
    )
    assert call("import", given, "--as", "preferences")[1]["added"] == 3
    tables = ("queue", "tallies", "comparison_counts")

    def contents(store):
        rows = {name: sorted(tuple(row.values()) for row in store.rows(f"SELECT * FROM {name}")) for name in tables}
        return rows | {"done": [row["done"] for row in store.rows("SELECT done FROM assignments ORDER BY id")]}

    with closing(Store(home)) as store:
        before = contents(store)
        assert before["comparison_counts"]
        with store.transaction():
            for name in tables:
                store.execute(f"DELETE FROM {name}")
            store.execute("UPDATE assignments SET done = 0")
        assert contents(store) != before
    assert call("store", "rebuild") == (0, {"rebuilt": list(REBUILT)})
    with closing(Store(home)) as store:
        assert contents(store) == before
    assert app.main(["store", "rebuild", "--home", str(home)]) == 0
    assert capsys.readouterr().out == f"recreated from the events: {', '.join(REBUILT)}\n"


@pytest.mark.parametrize(
    "command", [["import"], ["export"], ["backup"], ["restore"], ["store", "rebuild"], ["store", "check"]]
)
def test_every_command_and_option_has_a_help_text(command):
    top = argparse.ArgumentParser()
    names = top.add_subparsers()
    for module in (commands, store_commands):
        module.register(names, app.common_options())
    parser = top
    for name in command:
        (names,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parser = names.choices[name]
    assert parser.description
    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_escape_codes_in_a_file_name_are_printed_visibly(home, tmp_path, capsys, as_json):
    bad, good = tmp_path / "bad\x1b[31m.jsonl", tmp_path / "good\x9b31m.jsonl"
    bad.write_text('{"promt": 1}\n')
    good.write_text('{"prompt": "a"}\n{"promt": "b"}\n')
    assert app.main(["import", str(bad), "--as", "prompts", "--home", str(home), *as_json]) == 2
    assert app.main(["import", str(good), "--as", "prompts", "--skip-bad", "--home", str(home), *as_json]) == 0
    shown = "".join(capsys.readouterr())
    assert "bad\\u001b[31m.jsonl" in shown
    assert "good\\u009b31m.jsonl" in shown
    assert not {"\x1b", "\x9b"} & set(shown)

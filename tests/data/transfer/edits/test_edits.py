# SPDX-License-Identifier: Apache-2.0
"""An edit comes back from every export as an edit, or its rows become comparisons and are counted."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from sqlite_utils.utils import sqlite3

from data.formats.edit_rows import FLATTENED, UNSAID
from data.formats.export.formats import FORMATS, FULL, SINGLE
from data.formats.rows.conversation import make_prompt
from data.formats.shapes import PromptShape
from data.maintenance.check import check_home
from data.tables.adjudications import Decision
from data.transfer.checked_rows import ImportFile
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from data.transfer.previewing import preview
from data.views.event_stream import stream_events
from tests.support.data.edits import Edited, add_edit, edits_of
from tests.support.data.import_rows import preference, write
from tests.support.data.labeled_answers import TALK, add_answer
from tests.support.data.rankings import rows_of
from tests.support.data.stores import new_store

KINDS = ("jsonl", "csv", "parquet")
ROWS = [
    (Edited(("An oak.", "No."), "left_much", "left", "An old oak."), 3),  # over both answers
    (Edited(("A fir.", "So?"), "left", "right", "So, a fir."), 2),  # the left answer may still be better than the edit
    (Edited(("An elm.", "Elm?"), "tie", "right", "An elm, yes."), 3),
    (Edited(("?", "!"), "both_bad", "right", "A yew."), 2),  # both bad is no row
    (Edited(("Ciao.", "So?"), "right_slightly", "right", "Bye!", make_prompt(TALK, "messages"), "jun"), 3),
    (Edited(("A.", "B."), "left", "left", "C.", labeler="sim-1", source="simulated"), 3),
]
"""Edits, and the number of rows that each is, its comparison included (docs/labeling.md)."""
UNTOLD = 2
"""Edits whose comparison has no row in formats without ties: the tie and the two bad answers."""


@pytest.fixture
def homes(tmp_path):
    with closing(new_store(tmp_path / "one")) as one, closing(new_store(tmp_path / "other")) as other:
        yield one, other


def exported(store, out, form="trl"):
    return export_rows(store, out, ExportRequest("preferences", form, labels="all", names=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMATS["preferences"])
def test_an_edit_comes_back_as_it_was_or_is_left_out_and_counted(homes, tmp_path, form, kind):
    one, other = homes
    add_answer(one, "Say hi.", ("Hi.", "Hello."), "left")  # no edit
    for edited, _ in ROWS:
        add_edit(one, edited)
    out = tmp_path / f"out.{kind}"
    done = exported(one, out, form)
    assert (
        done["rows"] // (2 if form in SINGLE else 1) + sum(done["omitted"].values())
        == sum(rows for _, rows in ROWS) + 1
    )
    report = import_file(other, out, "preferences")
    before, after = edits_of(one), edits_of(other)
    lost = 1 if any("conversation" in reason for reason in done["omitted"]) else 0
    assert report["added"] == report["read"] == len(ROWS) + 1 - lost
    assert report["notes"] == ({} if form == FULL else {UNSAID: UNTOLD})
    changed = after - before  # where the tie has no row, it is read as two bad answers
    assert [edit[1][1] for edit in changed] == ([] if form == FULL else ["An elm, yes."])
    assert sum((before - after).values()) == lost + len(changed)
    assert not rows_of(other) - rows_of(one)
    assert sum((rows_of(one) - rows_of(other)).values()) == sum(done["omitted"].values())
    assert form != FULL or not done["omitted"]
    for home in homes:
        assert import_file(home, out, "preferences")["added"] == 0
    assert edits_of(one) == before
    assert check_home(other.home) == []


def test_an_imported_edit_is_an_answer_of_its_labeler_that_waits_for_no_review(homes, file):
    one, other = homes
    add_edit(one, ROWS[0][0])
    exported(one, file, FULL)
    seen = preview([ImportFile.at(file)], "preferences")
    assert (seen.good, seen.comparisons, seen.shown[0]["edit"]["answer"][0]) == (3, 1, "An old oak.")
    assert import_file(other, file, "preferences")["next"].startswith("1 comparison added")
    [said] = other.comparisons.current()
    edit = other.comparisons.edit(said.id)
    assert (said.source, said.verdict[-5:]) == ("import", "_much")
    assert (other.accounts.get(edit.labeler_id).name, edit.text) == ("file:given.jsonl (mina)", "An old oak.")
    assert other.completions.get(edit.completion_id).model_name == "edit by labeler 1"
    assert other.demonstrations.counts(other.accounts.add("ada", "researcher").id)["to_review"] == 0
    assert [event["better_id"] for event in stream_events(other) if event["event"] == "comparison"] == [
        edit.completion_id
    ]


def without(number):
    return lambda rows: rows[:number] + rows[number + 1 :]


def changed(number, **values):
    return lambda rows: [row | values if place == number else row for place, row in enumerate(rows)]


@pytest.mark.parametrize(
    "spoil",
    [
        without(1),
        without(2),
        changed(1, chosen="No.", rejected="An old oak."),
        changed(1, margin=2),
        changed(2, margin=1),
        changed(2, rejected="Yes."),
        changed(2, chosen="An older oak."),
        changed(2, chosen_model="p9"),
        changed(1, rejected="Yes."),
        changed(1, labeler="jun"),
        changed(0, source="ai"),
        changed(2, prompt="Name two."),
        changed(1, said_in="other"),
        changed(1, comparison="other"),
        lambda rows: [*rows, rows[1] | {"note": "again"}],
        lambda rows: [rows[0], preference(1), *rows[1:2], preference(2), rows[2]],
    ],
)
def test_rows_that_are_no_whole_edit_are_comparisons_and_counted(homes, file, spoil):
    one, other = homes
    add_edit(one, ROWS[0][0])
    exported(one, file)
    given = spoil([json.loads(line) for line in file.read_text().splitlines()])
    report = import_file(other, write(file, given), "preferences")
    assert (report["added"], other.comparisons.count(), edits_of(other)) == (len(given), len(given), {})
    assert report["notes"] == {FLATTENED: sum(row.get("kind") == "edit" for row in given)}


def test_an_edit_of_an_adjudicated_pair_has_no_comparison_and_is_counted(homes, file):
    one, other = homes
    id = add_edit(one, ROWS[0][0])
    said = one.comparisons.get(id)
    boss = one.accounts.add("boss", "researcher")
    one.adjudications.decide(Decision("d1", said.pair_id, boss.id, said.left_id, said.right_id, "right", False))
    exported(one, file)
    report = import_file(other, file, "preferences")
    assert (report["added"], report["notes"]) == (2, {FLATTENED: 1})


def test_rows_that_came_in_as_comparisons_are_no_edit_later(homes, file):
    one, other = homes
    for edited, _ in ROWS:
        add_edit(one, edited)
    exported(one, file)
    given = [json.loads(line) for line in file.read_text().splitlines()]
    apart = [row for number, one_row in enumerate(given) for row in (one_row, preference(number))]
    edits = sum(row["kind"] == "edit" for row in given)
    assert import_file(other, write(file, apart), "preferences")["notes"] == {FLATTENED: edits}
    assert import_file(other, write(file, given), "preferences")["added"] == 0


def test_an_import_that_breaks_off_leaves_no_edit(homes, file):
    one, other = homes
    for edited, _ in ROWS:
        add_edit(one, edited)
    exported(one, file, FULL)
    rows = [json.loads(line) for line in file.read_text().splitlines()] + [preference(n) for n in range(600)]
    add_edit(other, Edited(("Hi.", "Ho."), "left", "left", "Hi!", PromptShape("Here."), "ada"))
    tables = ("completions", "edits", "tallies")
    before = [other.rows(f"SELECT * FROM {name}") for name in tables]
    other.execute(
        "CREATE TRIGGER full BEFORE INSERT ON completions WHEN NEW.text = 'no 599'"
        " BEGIN SELECT RAISE(ABORT, 'no more room'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(other, write(file, rows), "preferences")
    assert [other.rows(f"SELECT * FROM {name}") for name in tables] == before
    other.execute("DROP TRIGGER full")
    assert import_file(other, file, "preferences")["added"] == len(ROWS) + 600
    assert check_home(other.home) == []


def test_an_edit_counts_only_once_its_import_is_done(homes, file, monkeypatch):
    one, other = homes
    add_edit(one, ROWS[0][0])
    exported(one, file)
    seen = []

    def look(id):
        seen.append((other.value("SELECT count(*) FROM edits"), [event["event"] for event in stream_events(other)]))
        end(id)

    end = other.imports.end
    monkeypatch.setattr(other.imports, "end", look)
    import_file(other, file, "preferences")
    assert seen == [(1, ["guideline"])]
    assert [event["event"] for event in stream_events(other)] == [
        "guideline",
        "prompt",
        *["completion"] * 3,
        "comparison",
    ]


def test_an_export_leaves_out_an_edit_that_the_format_holds_only_in_part(homes, file):
    one, _ = homes
    add_edit(one, Edited(("An oak.", "  "), "left", "left", "An old oak."))
    add_edit(one, Edited(("A fir.", "So?"), "left", "right", "So, a fir."))
    done = exported(one, file, "hh")
    assert (done["rows"], done["omitted"]) == (
        2,
        {
            "an answer of spaces cannot end a transcript": 2,
            "the format cannot hold another answer of its ranking or edit": 1,
        },
    )

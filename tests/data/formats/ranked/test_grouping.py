# SPDX-License-Identifier: Apache-2.0
"""Rows that belong together are one row, and imported aspects live and go with their comparisons."""

from __future__ import annotations

import json

import pytest

from data.formats import read_row
from data.formats.grouping import group_rows
from data.transfer.importing import import_file
from tests.support.data.import_rows import counted, write
from tests.support.data.ranked_rows import OVERALL, ROWS, TREE


def rated(prompt: str, response: str, helpfulness: int) -> dict:
    return {"prompt": prompt, "response": response, **OVERALL, "helpfulness": helpfulness}


def flat(message: dict, parent: str | None = None) -> list[dict]:
    """Return the messages of a tree as rows, each after its parent."""
    own = {key: value for key, value in message.items() if key != "replies"}
    own |= {"parent_id": parent, "message_tree_id": "a", "tree_state": "ready_for_export"}
    return [own, *(row for reply in message["replies"] for row in flat(reply, message["message_id"]))]


def test_rows_of_one_prompt_that_follow_one_another_are_one_row():
    rows = [rated("a", "x", 1), rated("a", "y", 2), rated("b", "x", 3), {"prompt": "c"}, rated("a", "z", 4)]
    grouped = list(group_rows(((line, row, "") for line, row in enumerate(rows, 1)), "preferences"))
    assert [(line, len(row.get("rows", ()))) for line, row, _ in grouped] == [(1, 2), (3, 1), (4, 0), (5, 1)]
    assert list(group_rows([(1, rows[0], "")], "completions")) == [(1, rows[0], "")]


def test_bad_rows_keep_their_place_among_groups():
    rows = [(1, rated("a", "x", 1), ""), (2, {}, "not JSON"), (3, rated("a", "y", 1), "")]
    assert [(line, problem) for line, _, problem in group_rows(rows, "pairs")] == [(1, ""), (2, "not JSON"), (3, "")]


def test_messages_of_a_tree_in_rows_are_that_tree():
    rows = flat(TREE)
    ((_, row, _),) = group_rows([(line, row, "") for line, row in enumerate(rows, 1)], "preferences")
    assert read_row(row, "preferences") == read_row(ROWS["oasst"], "preferences")


def test_a_file_of_rated_responses_becomes_comparisons_with_aspects(store, tmp_path):
    rows = [rated("Name a bird.", "Robin.", 4), rated("Name a bird.", "Cat.", 1), rated("Name a fish.", "Cod.", 2)]
    path = write(tmp_path / "helpsteer.jsonl", rows)
    assert counted(import_file(store, path, "preferences", skip_bad=True)) == {
        "read": 2,
        "added": 1,
        "duplicate": 0,
        "rejected": 1,
    }
    (event,) = store.comparisons.current()
    winner = store.value("SELECT text FROM completions WHERE id = ?", [event.winner_id])
    side = "left" if event.winner_id == event.left_id else "right"
    assert (winner, event.margin) == ("Robin.", 3)
    assert store.comparisons.aspects(event.id)["helpfulness"] == side
    assert store.comparisons.aspects(event.id)["verbosity"] == "tie"


def test_every_format_imports_with_one_command_and_twice_adds_nothing(store, tmp_path):
    for form, row in ROWS.items():
        if form == "helpsteer":
            continue
        path = write(tmp_path / f"{form}.jsonl", [row])
        assert import_file(store, path, "preferences")["added"] >= 1, form
        assert import_file(store, path, "preferences")["added"] == 0, form


def test_aspects_of_an_import_that_broke_off_are_removed_and_others_stay(store, tmp_path):
    path = write(tmp_path / "pku.jsonl", [ROWS["pku-saferlhf"]])
    id = import_file(store, path, "preferences")["import"]
    with pytest.raises(Exception, match="written once"):
        store.execute("DELETE FROM comparison_aspects")
    store.execute("UPDATE imports SET done_at = NULL, revealed_at = NULL WHERE id = ?", [id])
    store.imports.remove(id)
    assert store.value("SELECT count(*) FROM comparison_aspects") == 0
    assert store.value("SELECT count(*) FROM comparisons") == 0
    assert json.loads(path.read_text())["safer_response_id"] == 1

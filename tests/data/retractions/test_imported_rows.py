# SPDX-License-Identifier: Apache-2.0
"""Imported rows are listed with their marks, searched, filtered and counted."""

from __future__ import annotations

import pytest

from data.tables.imported_rows import MOST_COUNTED, RowFilter
from tests.support.data.import_rows import preference


def test_imported_rows_are_listed_newest_first_with_their_marks(store, bring, ranked, preferences):
    bring("more.jsonl", "preferences", *ranked, {"prompt": "Tie?", "chosen": "A.", "rejected": "B."})
    (ranking,) = store.imported_rows.page(RowFilter("ranking"))
    assert (ranking.prompt, ranking.answers) == ("Rank these.", [("1", "a"), ("2", "b"), ("3", "c")])
    newest = store.imported_rows.page(RowFilter("comparison"))
    assert newest[0].prompt == "Tie?"
    assert (newest[0].answers, newest[0].retracted) == ([("better", "A."), ("worse", "B.")], False)
    assert len(newest) == 5
    one = store.imported_rows.page(RowFilter("comparison"), skip=1, limit=2)
    assert [row.id for row in one] == [row.id for row in newest[1:3]]


@pytest.mark.parametrize(
    ("find", "found"),
    [("note 2", ["Note 2"]), ("dear 3", ["Note 3"]), ("no 1", ["Note 1"]), ("%", []), ("_", []), ("!", [])],
)
def test_a_search_finds_a_part_of_prompts_and_answers_and_takes_signs_as_they_are(store, preferences, find, found):
    wanted = RowFilter("comparison", find=find)
    assert [row.prompt for row in store.imported_rows.page(wanted)] == found
    assert store.imported_rows.count(wanted) == len(found)


def test_rows_are_filtered_by_import_and_state(store, bring, preferences):
    number = bring("more.jsonl", "preferences", preference(7))
    store.retractions.retract("comparison", [preferences[0].comparison_id], by="rae")
    counts = {
        state: store.imported_rows.count(RowFilter("comparison", state=state)) for state in ("", "used", "retracted")
    }
    assert counts == {"": 5, "used": 4, "retracted": 1}
    assert store.imported_rows.count(RowFilter("comparison", import_id=number)) == 1
    assert [row.prompt for row in store.imported_rows.page(RowFilter("comparison", state="retracted"))] == ["Note 0"]


def test_a_count_stops_at_its_bound(store, monkeypatch, preferences):
    monkeypatch.setattr("data.tables.imported_rows.MOST_COUNTED", 2)
    assert store.imported_rows.count(RowFilter("comparison")) == 3
    assert MOST_COUNTED == 10_000

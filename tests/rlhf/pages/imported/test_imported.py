# SPDX-License-Identifier: Apache-2.0
"""Imported rows on the Data page: what it lists, and what its buttons retract and take back."""

from __future__ import annotations

import json

import gradio as gr
import pytest

from data.tables.imported_rows import RowFilter
from data.transfer.importing import import_file
from data.views.preferences import freeze_row, preference_rows
from labeling.accounts.current import acting_as
from reward.report.addresses import id_link
from rlhf.pages.imported.part import ImportedPart
from rlhf.pages.imported.view import SHOWN, draw_rows, last_page
from tests.support.data.import_rows import preference, write

EVIL = "<img src=x onerror=alert(1)>"
ALL = ("comparison", "", "", "")


@pytest.fixture
def imported(store, tmp_path):
    """Import 1: a preference with markup in all texts. Import 2: 25 others."""
    evil = {"prompt": EVIL, "chosen": f"A {EVIL}", "rejected": "No."}
    import_file(store, write(tmp_path / "evil.jsonl", [evil]), "preferences")
    import_file(store, write(tmp_path / "notes.jsonl", [preference(number) for number in range(25)]), "preferences")
    return store


@pytest.fixture
def part(imported):
    with gr.Blocks():
        made = ImportedPart(imported, gr.Button().click)
    with acting_as(imported.accounts.add("rae", "researcher")):
        yield made


def ids(store, number):
    return store.retractions.of_import(number)["comparison"]


def test_rows_are_drawn_page_by_page_with_their_numbers(part):
    first = part.show(*ALL)
    assert first[part.rows].count("name=row") == SHOWN
    assert "rows 1 to 20 of 26" in first[part.rows]
    assert (first[part.newer].visible, first[part.older].visible) == (False, True)
    second = part.turn(1, *ALL, first[part.page])
    assert "rows 21 to 26 of 26" in second[part.rows]
    assert (second[part.newer].visible, second[part.older].visible, second[part.page]) == (True, False, "2")
    assert part.turn(1, *ALL, "2")[part.page] == "2"
    assert [last_page(total) for total in (0, 1, SHOWN, SHOWN + 1)] == [1, 1, 1, 2]


def test_a_row_is_text_whatever_it_holds(part):
    html = part.show("comparison", "1", "", "")[part.rows]
    assert EVIL not in html
    assert html.count("&lt;img src=x") == 4  # the title, the name of its box, the prompt, the answer
    assert html.index("preferred") < html.index("not preferred")


def test_a_search_says_how_many_rows_match_or_that_none_does(part):
    assert "rows 1 to 1 of 1" in part.show("comparison", "", "", "note 17")[part.rows]
    assert "No imported row matches." in part.show("comparison", "", "", "nothing")[part.rows]
    assert "No imported rows of this kind yet." in part.show("ranking", "", "", "")[part.rows]
    assert "more than 10,000" in draw_rows(part.store.imported_rows.page(RowFilter("comparison")), 10_001, 1, False)


def test_the_chosen_rows_are_retracted_and_the_models_that_they_trained_are_named(part, imported):
    chosen = ids(imported, 2)[:2]
    rows = [row for row in preference_rows(imported) if row.comparison_id in chosen]
    snapshot = imported.snapshots.freeze("preferences", [freeze_row(row) for row in rows], {})
    imported.reward_models.add(name="judge", base="b", adapter="a", snapshot_id=snapshot.id)
    imported.policies.add(name="driven", kind="ppo", base="b", adapter="a", reward_model_id=1)
    updates = part.retract_chosen(json.dumps(chosen), *ALL, "1")
    assert "Rows retracted: 2." in updates[part.status]
    assert f"trained on such rows: {id_link('r1')}." in updates[part.status]
    assert f"descend from them: {id_link('p1')}." in updates[part.status]
    assert len(preference_rows(imported)) == 24
    assert part.show("comparison", "", "retracted", "")[part.rows].count("name=row") == 2
    assert "Rows taken back: 2." in part.restore_chosen(json.dumps(chosen), *ALL, "1")[part.status]
    assert len(preference_rows(imported)) == 26
    assert imported.audit.all()[0]["actor"] == "account 3"


def test_a_whole_import_is_retracted_and_taken_back(part, imported):
    query = ("comparison", "2", "", "", "1")
    shown = part.show(*query[:4])
    assert shown[part.retract_import].visible
    assert [value for _, value in shown[part.source].choices] == ["", "2", "1"]
    answers = len(imported.retractions.of_import(2)["completion"])
    assert f"Rows retracted: {25 + answers}. No model was trained on them." in part.retract_all(*query)[part.status]
    assert [row.prompt for row in preference_rows(imported)] == [EVIL]
    assert f"Rows taken back: {25 + answers}." in part.restore_all(*query)[part.status]
    assert len(preference_rows(imported)) == 26


def test_a_click_without_a_chosen_row_or_with_one_of_no_import_says_so(part):
    for checked, line in (("", "no row is chosen"), ("[]", "no row is chosen"), ("{", "no row is chosen")):
        assert line in part.retract_chosen(checked, *ALL, "1")[part.status]
    assert "there is no imported comparison" in part.retract_chosen('["x"]', *ALL, "1")[part.status]


def test_rows_are_drawn_again_only_after_an_import_or_a_retraction(part, imported):
    shown = part.refresh("", "comparison", None, None, "", "")
    assert part.refresh(shown[part.seen], *ALL, "1") == gr.skip()
    imported.retractions.retract("comparison", ids(imported, 1), by="rae")
    assert "retracted</b>" in part.refresh(shown[part.seen], "comparison", "1", "", "", "1")[part.rows]

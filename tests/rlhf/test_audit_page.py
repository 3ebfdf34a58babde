# SPDX-License-Identifier: Apache-2.0
"""The Audit page: the newest acts first, those that contain every word, and no work while nothing changes."""

from __future__ import annotations

import gradio as gr
import pytest

from data import Store
from rlhf.pages.audit import SHOWN, AuditPage, find_acts


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    ada = store.accounts.add("Ada", "researcher")
    store.audit.add(f"account {ada.id}", "export", what="preferences", rows=7)
    store.audit.add("command line", "restore", file="home.tar")
    yield store
    store.close()


def test_acts_stand_newest_first_with_name_and_detail(store):
    assert [row[1:4] for row in find_acts(store, "")] == [
        ["command line", "restore", "file: home.tar"],
        ["Ada", "export", "rows: 7, what: preferences"],
    ]


@pytest.mark.parametrize(("words", "found"), [("ada", 1), ("export 7", 1), ("export home", 0), ("RESTORE", 1), ("", 2)])
def test_a_search_finds_the_acts_that_contain_every_word_in_any_column(store, words, found):
    assert len(find_acts(store, words)) == found


def test_the_table_shows_the_newest_and_says_how_many_there_are(store):
    for number in range(SHOWN + 5):
        store.audit.add("command line", "export", what=f"file {number}")
    with gr.Blocks():
        page = AuditPage(store, gr.Button().click)
    drawn = page.refresh("export file", "")
    assert "205 acts, the newest 200 below." in drawn[page.count]
    assert [len(drawn[page.table]), drawn[page.table][0][3]] == [SHOWN, f"what: file {SHOWN + 4}"]
    assert page.refresh("export file", drawn[page.seen]) == gr.skip()
    store.audit.add("command line", "export", what="file new")
    assert page.refresh("export file", drawn[page.seen])[page.table][0][3] == "what: file new"

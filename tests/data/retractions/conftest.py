# SPDX-License-Identifier: Apache-2.0
"""Fixtures of retractions: imports, a ranking to import, and four imported preferences."""

from __future__ import annotations

import json

import pytest

from data.formats.shapes import PromptShape
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from data.views.preferences import preference_rows
from tests.support.data.import_rows import preference, write
from tests.support.data.rankings import add_ranking
from tests.support.data.stores import new_store


@pytest.fixture
def bring(store, tmp_path):
    """Import rows of a kind; return the number of the import."""

    def import_rows(name, what, *rows):
        import_file(store, write(tmp_path / name, list(rows)), what)
        return store.imports.all()[-1]["id"]

    return import_rows


@pytest.fixture
def ranked(tmp_path):
    """The rows of an exported ranking by a simulated labeler: "a" before "b" before "c"."""
    other = new_store(tmp_path / "other")
    answers = [(text, "model") for text in "abc"]
    add_ranking(other, PromptShape("Rank these."), answers, (1, 2, 3), "sim", "simulated")
    export_rows(other, tmp_path / "ranked.jsonl", ExportRequest("preferences", "trl", labels="all"))
    other.close()
    return [json.loads(line) for line in (tmp_path / "ranked.jsonl").read_text().splitlines()]


@pytest.fixture
def preferences(store, bring):
    """Four imported preferences, in the order of their prompts."""
    bring("notes.jsonl", "preferences", *(preference(number) for number in range(4)))
    return sorted(preference_rows(store), key=lambda row: row.prompt)

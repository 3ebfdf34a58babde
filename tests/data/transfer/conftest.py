# SPDX-License-Identifier: Apache-2.0
"""Fixtures of imports and exports: stores with labels, and a file to import."""

from __future__ import annotations

import json

import pytest

from data.transfer.importing import import_file
from tests.support.data.labeled_answers import GIVEN, add_answer
from tests.support.data.stores import new_store


@pytest.fixture
def home_of(tmp_path):
    """home_of(rows) -> a store into which these preference rows were imported."""
    stores = []

    def make(rows):
        given = tmp_path / f"given-{len(stores)}.jsonl"
        given.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        stores.append(new_store(tmp_path / f"store-{len(stores)}"))
        import_file(stores[-1], given, "preferences")
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def labelled(store, tmp_path):
    """A store with two imported comparisons (one on a conversation), a simulated one, and a person's tie."""
    given = tmp_path / "given.json"
    given.write_text(json.dumps(GIVEN))
    import_file(store, given, "preferences")
    add_answer(store, "Say hi.", ("Hi.", "Hello."), "tie")
    return store


@pytest.fixture
def file(tmp_path):
    return tmp_path / "given.jsonl"

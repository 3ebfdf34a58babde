# SPDX-License-Identifier: Apache-2.0
"""Mutated rows of every reader are read, refused or counted. `make attack ONLY=readers` tries a hundred times as many."""

from __future__ import annotations

import copy
import random

import pytest

from data.formats.registry import FORMATS
from data.formats.rows import kto
from tests.support.data.import_fuzz import fuzz_reader
from tests.support.data.published_rows import published_rows
from tests.support.data.row_mutations import PLANTED, mutate, plant


@pytest.mark.parametrize("form", FORMATS)
def test_no_mutated_row_crashes_a_reader_or_is_lost(store, tmp_path, form):
    fuzzed = fuzz_reader(form, 100, store, tmp_path)
    assert fuzzed.faults == []
    assert fuzzed.rows >= 60
    assert fuzzed.good > 0.2 * fuzzed.rows


def test_a_loss_is_found(store, tmp_path, monkeypatch):
    monkeypatch.setattr("data.formats.tracked_row.TrackedRow.unread", lambda self: iter(()))
    assert any("planted" in fault and "is lost" in fault for fault in fuzz_reader("trl", 200, store, tmp_path).faults)


def test_a_crash_is_found_with_its_row(store, tmp_path, monkeypatch):
    read = kto.read_instruction
    monkeypatch.setattr(kto, "read_instruction", lambda row: (row["completion"].strip(), read(row))[1])
    faults = fuzz_reader("kto", 200, store, tmp_path).faults
    assert any("Error: " in fault and "'prompt': " in fault for fault in faults)


def test_mutations_repeat_with_their_seed_and_change_every_row():
    for rows in published_rows().values():
        for row in rows:
            twice = []
            for _ in range(2):
                changed, chance = copy.deepcopy(row), random.Random(3)
                plant(changed, "planted 1", chance)
                mutate(changed, chance)
                twice.append(changed)
            assert twice[0] == twice[1] != row
    assert len(PLANTED) == len(set(PLANTED))

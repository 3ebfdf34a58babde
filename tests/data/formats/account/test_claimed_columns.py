# SPDX-License-Identifier: Apache-2.0
"""A column that a reader claims as read matters: another value makes another record, a remark or a refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.formats import read_row
from data.formats.registry import FORMATS, READERS, SHARED
from data.formats.rows import preference_metadata
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape
from data.formats.tracked_row import TrackedRow
from tests.support.data.claims import NUMBERS, WORDS, changed, read, rows_of
from tests.support.data.published_rows import published_rows

PARTS = ([{"role": "user", "content": "planted"}], [{"input": "x", "output": "y"}], {"a": 1}, ["a"])
PLANTED = (WORDS, NUMBERS, (True, False), PARTS)
"""Values of one type each, for columns that a published row lacks."""


def without_effect(row: dict, what: str, form: str) -> Iterator[str]:
    """Yield the claimed columns of a row whose value makes no difference, its own ones and planted ones."""
    before, claimed = read(row, what, form)
    for column in claimed:
        if all(read(other, what, form)[0] == before for other in changed(row, (column,))):
            yield column
    for column in {*FORMATS[form].module.COLUMNS, *preference_metadata.COLUMNS, *SHARED} - row.keys():
        results = [[read(row | {column: value}, what, form) for value in values] for values in PLANTED]
        taken = any(column in claims for group in results for _, claims in group)
        if taken and all(result == before for group in results for result, _ in group):
            yield column


@pytest.mark.parametrize("form", published_rows())
def test_every_column_that_a_reader_claims_makes_a_difference(form):
    faults = {
        (what, name) for what in READERS for row in rows_of(form, what) for name in without_effect(row, what, form)
    }
    assert faults == set()


def test_a_claim_without_effect_is_found(monkeypatch):
    reader = FORMATS["kto"].module.read_instruction
    monkeypatch.setattr(FORMATS["kto"].module, "read_instruction", lambda row: (row.get("margin"), reader(row))[1])
    [row] = rows_of("kto", "instructions")
    assert list(without_effect(row, "instructions", "kto")) == ["margin"]


KTO = {"prompt": "Name a bird.", "completion": "Robin.", "label": True, "margin": 3}


def test_a_margin_beside_a_kto_label_refuses_the_row_unless_an_export_wrote_it():
    with pytest.raises(BadRow, match="'margin' changes what the row means"):
        read_row(KTO, "instructions", "kto")
    exported = TrackedRow(KTO | {"comparison": "c1"})
    assert read_row(exported, "instructions", "kto").output == "Robin."
    assert dict(exported.unread()) == {"margin": 3, "comparison": "c1"}


def test_a_weight_is_left_to_the_home_only_in_rows_that_name_their_comparison():
    row = published_rows()["full"][0] | {"weight": 0.5}
    with pytest.raises(BadRow, match="'weight' is 0.5"):
        read_row(row, "preferences", "full")
    exported = TrackedRow(row | {"comparison": "c1"})
    assert isinstance(read_row(exported, "preferences", "full"), PairShape)
    assert dict(exported.unread())["weight"] == 0.5


@pytest.mark.parametrize(("form", "column"), [("arena", "winner"), ("pandalm", "annotator1"), ("full", "label")])
def test_a_verdict_that_nobody_understands_refuses_no_pair(form, column):
    row = TrackedRow(published_rows()[form][0] | {column: "nobody"})
    shape = read_row(row, "pairs", form)
    assert shape.votes == ()
    assert dict(row.unread())[column] == "nobody"
    with pytest.raises(BadRow):
        read_row(row, "preferences", form)

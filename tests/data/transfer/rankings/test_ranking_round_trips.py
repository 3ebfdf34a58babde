# SPDX-License-Identifier: Apache-2.0
"""Every ranking comes back unchanged from an export, in every format and kind of file, or is left out and counted."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from itertools import combinations
from math import comb
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.formats.export.formats import FORMATS, FULL, PREFERENCES, SINGLE
from data.formats.rows.fields import BadRow
from data.formats.shapes import PreferenceShape, PromptShape
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from tests.support.data import shapes
from tests.support.data.rankings import add_ranking, plain_name, rankings_of, rows_of
from tests.support.data.stores import new_store

KINDS = ("jsonl", "json", "csv", "parquet", "jsonl.gz", "json.gz", "csv.gz")
LABELERS = (("mina", "person"), ("값", "person"), ("sim-1", "simulated"), ("gpt-x", "ai"))


@st.composite
def ranked(draw):
    """A prompt, 3 to 9 answers with their models, and the places that some labelers give them."""
    texts = draw(st.lists(shapes.answers, min_size=3, max_size=9, unique=True))
    size = len(texts)
    places = st.lists(st.integers(1, size), min_size=size, max_size=size)
    said = draw(st.dictionaries(st.sampled_from(LABELERS), places, min_size=1))
    return draw(shapes.prompts), [(text, draw(shapes.models)) for text in texts], said


rankings = st.lists(ranked(), min_size=1, max_size=3, unique_by=lambda made: str(made[0]))
TEXTS = [("a fox", "p1"), ("", "gpt-x"), ('[{"role": "user", "content": "Hi"}]', "p1"), ("\u2028", "p1")]


def is_held(form, prompt, answers, places):
    """Return whether a ranking has a winner and the format holds all of its rows."""
    order = [text for _, (text, _) in sorted(zip(places, answers, strict=True), key=lambda item: item[0])]
    place = dict(zip((text for text, _ in answers), places, strict=True))
    decided = [(a, b) for a, b in combinations(order, 2) if place[a] != place[b]]
    try:
        for better, worse in decided:
            PREFERENCES[form].rows(PreferenceShape(prompt, better, worse))
    except BadRow:
        return False
    return bool(decided)


@pytest.mark.parametrize("form", FORMATS["preferences"])
@settings(max_examples=4, deadline=None)
@given(made=rankings, kind=st.sampled_from(KINDS))
@example(made=[(PromptShape("Hi"), TEXTS, {LABELERS[0]: [1, 2, 2, 4], LABELERS[1]: [3, 3, 3, 3]})], kind="csv")
@example(made=[(PromptShape("Hi"), TEXTS[:2] + TEXTS[3:], {LABELERS[2]: [2, 1, 1]})], kind="parquet")
def test_rankings_come_back_as_they_were_or_are_left_out_and_counted(form, made, kind):
    with (
        TemporaryDirectory() as folder,
        closing(new_store(Path(f"{folder}/one"))) as store,
        closing(new_store(Path(f"{folder}/other"))) as other,
    ):
        add_ranking(store, PromptShape("Name one."), [(text, "p1") for text in "abc"], (1, 2, 3), "mina")
        lost = 0
        for prompt, answers, said in made:
            for (labeler, source), places in said.items():
                add_ranking(store, prompt, answers, places, labeler, source)
                lost += form != FULL and not is_held(form, prompt, answers, places)
        out = f"{folder}/out.{kind}"
        done = export_rows(store, out, ExportRequest("preferences", form, labels="all", names=True))
        rows = done["rows"] // (2 if form in SINGLE else 1)
        said = sum(comb(len(answers), 2) * len(said) for _, answers, said in made) + 3
        assert rows + sum(done["omitted"].values()) == said
        report = import_file(other, out, "preferences")
        assert report["added"] == report["read"] == store.rankings.count() - lost
        before, after = rankings_of(store), rankings_of(other)
        assert not after - before
        assert sum((before - after).values()) == lost
        assert not rows_of(other) - rows_of(store)
        assert sum(rows_of(other).values()) == sum(
            comb(len(answers), 2) * count for (_, answers, _, _), count in after.items()
        )
        assert other.comparisons.count() == other.pairs.count() == 0
        assert import_file(other, out, "preferences")["added"] == 0
        assert import_file(store, out, "preferences")["added"] == 0
        assert rankings_of(store) == before
        assert form != FULL or not done["omitted"]


OF_THE_HOME = ("prompt_id", "a_id", "b_id", "comparison", "said_in", "source", "id")
"""Columns that name rows of the home that wrote them."""


@pytest.mark.parametrize("form", PREFERENCES)
def test_the_second_home_writes_the_rows_that_it_read(tmp_path, form):
    with closing(new_store(tmp_path / "one")) as store, closing(new_store(tmp_path / "other")) as other:
        for labeler, places in (("mina", (2, 1, 2, 4)), ("jun", (1, 1, 3, 2))):
            add_ranking(store, PromptShape("Name one."), [(text, "p1") for text in "abcd"], places, labeler)
        files = []
        for name, home in (("one", store), ("other", other)):
            export_rows(home, tmp_path / f"{name}.jsonl", ExportRequest("preferences", form, names=True))
            import_file(other, tmp_path / f"{name}.jsonl", "preferences")
            rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().split("\n") if line]
            assert {row.pop("source") for row in rows} == {"person" if home is store else "import"}
            names = [row | {"labeler": plain_name(row["labeler"])} for row in rows]
            files.append(Counter(str({key: row[key] for key in row if key not in OF_THE_HOME}) for row in names))
        assert files[0] == files[1]
        assert files[0].total() == (comb(4, 2) - 1) * 2 * (2 if form in SINGLE else 1)

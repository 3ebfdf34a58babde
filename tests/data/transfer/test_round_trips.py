# SPDX-License-Identifier: Apache-2.0
"""Every export comes back unchanged, in every format and kind of file; what a format cannot express is counted."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.formats import read_row
from data.formats.export.formats import (
    FORMATS,
    FULL,
    INSTRUCTIONS,
    PREFERENCES,
    PROMPTS,
    SINGLE,
    add_tool_columns,
    list_columns,
)
from data.formats.grouping import group_rows
from data.formats.reading import read_rows
from data.formats.rows.fields import BadRow
from data.formats.shapes import PreferenceShape, PromptShape
from data.formats.writing import write_rows
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from data.views.preferences import preference_rows
from tests.support.data import shapes
from tests.support.data.labeled_answers import TALK
from tests.support.data.rankings import add_ranking, read_as
from tests.support.data.stores import new_store

KINDS = ("jsonl", "json", "csv", "parquet", "jsonl.gz", "json.gz", "csv.gz")
SYSTEM = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
MODELS = {"chosen_model": "p1", "rejected_model": "gpt-x"}
EVERYTHING = ("trl-conversational", "openai-dpo", "kto")
"""Formats that hold every preference."""
quick = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(form, shape):
    """Return the rows of a shape, none if the format cannot hold it."""
    try:
        return form.rows(shape)
    except BadRow:
        return []


def read_back(path, kind, what, form, rows):
    """Write rows to a file and read them again, those that belong together as one."""
    out = path / f"out.{kind}"
    if rows:
        columns = list_columns(what, form)
        tools = any("tool_calls" in json.dumps(row) for row in rows)
        write_rows(out, rows, columns=add_tool_columns(columns, form) if tools else columns, force=True)
    return [row for _, row, _ in group_rows(read_rows(out), what, form)] if rows else []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", PREFERENCES)
@quick
@given(given=st.lists(shapes.preferences, max_size=8))
@example(given=[PreferenceShape(PromptShape("Hi"), "Hello.", "", **MODELS)])
@example(given=[PreferenceShape(PromptShape("Hi"), "", "Hello.", **MODELS)])
@example(given=[PreferenceShape(PromptShape('[{"not": "messages"}]'), "5", "null", **MODELS)])
def test_a_preference_comes_back_from_every_format_and_kind_of_file(tmp_path, form, kind, given):
    held, rows = [], []
    for number, shape in enumerate(given):
        made = written(PREFERENCES[form], shape)
        assert made or form not in EVERYTHING
        models = {} if form in SINGLE else {name: getattr(shape, name) for name in MODELS}
        rows += [row | models | {"margin": shape.margin, "comparison": f"c{number}"} for row in made]
        held += [shape] if made else []
    found = read_back(tmp_path, kind, "preferences", form, rows)
    assert [read_row(row, "preferences", form) for row in found] == held
    assert [read_row(row, "preferences") for row in found] == held


@pytest.mark.parametrize("text", shapes.TURNS[:-1])
@pytest.mark.parametrize("form", ["trl", "trl-implicit", "alpaca", "reward-bench"])
def test_a_format_of_texts_leaves_out_a_text_that_reads_as_turns(form, text):
    with pytest.raises(BadRow):
        PREFERENCES[form].rows(PreferenceShape(PromptShape(text), "Hello.", "So?"))


@pytest.mark.parametrize("row", [0, 1])
def test_one_row_of_kto_is_no_comparison(row):
    single = PREFERENCES["kto"].rows(PreferenceShape(PromptShape("Hi"), "Hello.", "So?"))[row] | {"comparison": "c1"}
    [(_, grouped, _)] = group_rows([(1, single, "")], "preferences")
    with pytest.raises(BadRow, match="'label'"):
        read_row(grouped, "preferences")


def test_the_good_rows_of_kto_are_instructions():
    good, bad = PREFERENCES["kto"].rows(PreferenceShape(PromptShape("Hi"), "Hello.", "So?"))
    assert read_row(good, "instructions").output == "Hello."
    with pytest.raises(BadRow, match="'label'"):
        read_row(bad, "instructions")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", INSTRUCTIONS)
@quick
@given(given=st.lists(shapes.instructions, max_size=8))
def test_an_instruction_comes_back_from_every_format_and_kind_of_file(tmp_path, form, kind, given):
    held = [shape for shape in given if written(INSTRUCTIONS[form], shape)]
    assert form != "trl-conversational" or held == given
    rows = [row | {"defects": ["curt"]} for shape in held for row in written(INSTRUCTIONS[form], shape)]
    found = [read_row(row, "instructions", form) for row in read_back(tmp_path, kind, "instructions", form, rows)]
    assert [(shape.prompt, shape.output, shape.defects) for shape in found] == [
        (shape.prompt, shape.output, ("curt",)) for shape in held
    ]
    assert form != "alpaca" or found == [replace(shape, defects=("curt",)) for shape in held]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", PROMPTS)
@quick
@given(given=st.lists(shapes.prompts, max_size=8))
def test_a_prompt_comes_back_from_every_format_and_kind_of_file(tmp_path, form, kind, given):
    about = {"family": "names", "facts": {"answer": ["Aral", 1]}}
    held = [shape for shape in given if written(PROMPTS[form], shape)]
    assert form != "trl-conversational" or held == given
    rows = [row | about for shape in held for row in written(PROMPTS[form], shape)]
    found = [read_row(row, "prompts", form) for row in read_back(tmp_path, kind, "prompts", form, rows)]
    assert found == [replace(shape, **about) for shape in held]


TIE = {"response1": "3", "response2": "4", "annotator1": 0}
LABELED = [
    {"prompt": "Name a tree.\r\n\n", "chosen": " An oak. 🟥", "rejected": "No.", "margin": 3, "chosen_model": "gpt-x"},
    {"prompt": TALK, "chosen": "값\u2028", "rejected": '"So?"', "margin": 1},
    {"prompt": SYSTEM, "chosen": "Hi.", "rejected": "null"},
    {"prompt": "Name a day.", "chosen": "Monday.", "rejected": "Never.", "source": "simulated"},
    {"prompt": "Name a sea.", "chosen": "Aral.", "rejected": "Me.", "source": "ai", "labeler": "gpt-x"},
    {"instruction": "Add.", "input": "1 2", **TIE},
]
LOST = {
    "trl": {"the TRL standard format cannot hold a conversation": 2},
    "trl-implicit": {"the TRL standard format cannot hold a conversation": 2},
    "alpaca": {"the Alpaca format cannot hold a conversation": 2},
    "reward-bench": {"the RewardBench format cannot hold a conversation": 2},
    "hh": {"a system message cannot be written in the HH format": 1},
}


def meaning(store):
    """Return what the comparisons of a home say, without ids and names of people."""
    return Counter(
        (
            row.prompt,
            str(row.messages),
            frozenset((row.chosen, row.rejected)) if row.label != 0.5 else "tie",
            row.chosen,
        )
        + (row.margin, read_as(row.source), frozenset((row.a_model, row.b_model)), row.kind, row.weight)
        for row in preference_rows(store, source="all")
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMATS["preferences"])
def test_a_home_moves_into_another_one_by_its_export_but_for_what_is_counted(home_of, tmp_path, form, kind):
    store = home_of(LABELED)
    add_ranking(store, PromptShape("Name one."), [("a fox", "p1"), ("a lamp", "p1"), ("no", "p1")], (1, 2, 2), "mina")
    out = tmp_path / f"out.{kind}"
    done = export_rows(store, out, ExportRequest("preferences", form, labels="all"))
    ties = 0 if form == FULL else 2  # one of the ranking
    assert done["omitted"] == LOST.get(form, {}) | ({"tie": ties} if ties else {})
    other = new_store(tmp_path / "other")
    count = 9 - sum(done["omitted"].values())
    assert done["rows"] == count * (2 if form in SINGLE else 1)
    report = import_file(other, out, "preferences")
    assert report["added"] == count - (2 if ties else 3) + 1  # the rows of the ranking are one
    before, after = meaning(store), meaning(other)
    assert not after - before
    assert sum((before - after).values()) == sum(done["omitted"].values()) - bool(ties)  # that of the ranking is known
    other.close()


@pytest.mark.parametrize("form", FORMATS["preferences"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given=st.lists(st.tuples(shapes.preferences, st.booleans()), min_size=1, max_size=6), kind=st.sampled_from(KINDS)
)
def test_generated_preferences_and_ties_move_into_another_home(home_of, form, kind, given):
    rows = [{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}]
    for number, (shape, tie) in enumerate(given):
        models = {name: getattr(shape, name) for name in MODELS}
        about = {"margin": 0 if tie else shape.margin, "comparison": f"c{number}"}
        rows.append(PREFERENCES["trl-conversational"].rows(shape)[0] | models | about)
    store = home_of(rows)
    before = meaning(store)
    assert sum(before.values()) == len(rows)
    with TemporaryDirectory() as folder, closing(new_store(Path(f"{folder}/other"))) as other:
        done = export_rows(store, f"{folder}/out.{kind}", ExportRequest("preferences", form))
        import_file(other, f"{folder}/out.{kind}", "preferences")
        after = meaning(other)
    assert not after - before
    assert sum((before - after).values()) == sum(done["omitted"].values())
    assert form != FULL or not done["omitted"]

# SPDX-License-Identifier: Apache-2.0
"""A nested key that is not listed as unread matters: another value makes another record, a remark or a refusal."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import pytest

from data.formats import read_row
from data.formats.columns import Columns
from data.formats.registry import READERS
from data.formats.rows.fields import read_number
from data.formats.rows.ranked import nectar
from data.formats.tracked_row import TrackedRow, is_blank
from tests.support.data.claims import changed, read, rows_of
from tests.support.data.published_rows import published_rows
from tests.support.data.row_mutations import follow, places

INDEX = re.compile(r"\[\d+\]")
ANSWER_LEFT = "{!r} holds an answer, which is no part of a prompt and was left out"


def spell(path: tuple) -> str:
    """Return a path as readers write it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def claimed_keys(row: dict, what: str, form: str) -> Iterator[tuple]:
    """Yield the path of each nested key with a value that is not unread, unless a remark says that it was left out."""
    tracked = TrackedRow(copy.deepcopy(row))
    read_row(tracked, what, form)
    columns = {name for name, _ in tracked.read() if ANSWER_LEFT.format(name) not in tracked.notes}
    unread = {path for path, _ in tracked.unread()}
    for path in places(row):
        nested = len(path) > 1 and isinstance(path[-1], str) and path[0] in columns and not is_blank(follow(row, path))
        if nested and unread.isdisjoint(spell(path[:end]) for end in range(1, len(path) + 1)):
            yield path


def keys_without_effect(row: dict, what: str, form: str) -> set[str]:
    """Return the claimed keys of a row none of whose places makes a difference, as the report names them."""
    before, _ = read(row, what, form)
    effects: dict[str, bool] = {}
    for path in claimed_keys(row, what, form):
        name = INDEX.sub("[]", spell(path))
        effects[name] = effects.get(name) or any(read(other, what, form)[0] != before for other in changed(row, path))
    return {name for name, effect in effects.items() if not effect}


@pytest.mark.parametrize("form", published_rows())
def test_every_nested_key_that_a_reader_claims_makes_a_difference(form):
    faults = {
        (what, key) for what in READERS for row in rows_of(form, what) for key in keys_without_effect(row, what, form)
    }
    assert faults == set()


def test_a_nested_claim_without_effect_is_found(monkeypatch):
    answer = nectar._answer
    monkeypatch.setattr(nectar, "_answer", lambda row, part: (read_number(part, "rank"), answer(row, part))[1])
    row = rows_of("nectar", "pairs")[0]
    assert keys_without_effect(row, "pairs", "nectar") == {"answers[].rank"}


@pytest.mark.parametrize(
    ("form", "what", "unread"),
    [
        ("ultrafeedback", "preferences", {"completions[].fine-grained_score", "completions[].critique"}),
        ("ultrafeedback", "pairs", {"completions[].overall_score", "completions[].annotations"}),
        ("nectar", "pairs", {"answers[].rank"}),
        ("nectar", "completions", {"answers[].rank"}),
        ("helpsteer", "pairs", {"helpfulness", "verbosity"}),
        ("oasst", "pairs", {"prompt.replies[].rank", "prompt.replies[].labels", "rank", "labels", "lang"}),
        ("oasst", "prompts", {"prompt.replies[].replies[].replies[].text"}),
        ("oasst", "preferences", {"labels.count", "lang"}),
    ],
)
def test_ratings_that_are_not_stored_are_listed_as_unread(form, what, unread):
    assert unread <= {column["column"] for column in report(form, what) if column["read_as"] is None}


def test_the_report_names_the_columns_of_the_file_where_rows_were_joined():
    columns = {(column["column"], column["read_as"], column["rows"]) for column in report("helpsteer", "preferences")}
    criteria = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    unrated = {(name, None, 1) for name in ("response", *criteria[1:])}  # the third row has no helpfulness
    assert (
        columns
        == {("prompt", "prompt", 3), ("response", "answer", 2), *((name, "rating", 2) for name in criteria)} | unrated
    )


def report(form, what):
    columns = Columns()
    for row in rows_of(form, what):
        tracked = TrackedRow(row)
        read_row(tracked, what, form)
        columns.add(tracked)
    return columns.report()

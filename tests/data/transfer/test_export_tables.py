# SPDX-License-Identifier: Apache-2.0
"""Exports as tables: every text comes back byte for byte, memory stays small, and labelers stay unnamed."""

from __future__ import annotations

import csv
import json
import tracemalloc

import datasets
import pyarrow.parquet as pq
import pytest

from data.errors import BadInput
from data.formats.export import tables
from data.transfer.exporting import FORMATS, ExportRequest, export_rows
from data.transfer.importing import import_file
from data.views.preferences import preference_rows

TRICKY = (
    '=HYPERLINK("x")',
    "+1",
    "@here",
    "-",
    "a\r\nb\rc\nd",
    'say "hi", ok',
    " 두 칸  ",
    "값\t🟥",
    "\\N",
    "null",
    "1e5",
    "«\u2028»",
)
TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Bye"},
]


@pytest.fixture
def tricky(home_of):
    return home_of(
        [
            {"prompt": f"Say {n}: {text}", "chosen": text, "rejected": f"{text}!", "margin": 1}
            for n, text in enumerate(TRICKY)
        ]
    )


def read(path, kind, cache):
    return list(datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache)))


@pytest.mark.parametrize(
    ("name", "kind"), [("out.jsonl", "json"), ("out.jsonl.gz", "json"), ("out.parquet", "parquet")]
)
def test_datasets_reads_every_text_back_byte_for_byte(tricky, tmp_path, name, kind):
    export_rows(tricky, tmp_path / name, ExportRequest("preferences"))
    rows = read(tmp_path / name, kind, tmp_path / "cache")
    assert {(row["prompt"], row["chosen"], row["rejected"]) for row in rows} == {
        (f"Say {n}: {text}", text, f"{text}!") for n, text in enumerate(TRICKY)
    }


def test_csv_holds_every_text_byte_for_byte_formulas_included(tricky, tmp_path):
    export_rows(tricky, tmp_path / "out.csv", ExportRequest("preferences"))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["chosen"] for row in rows} == set(TRICKY)
    plain = [row for row in read(tmp_path / "out.csv", "csv", tmp_path / "cache") if row["chosen"] is not None]
    assert {row["chosen"] for row in plain} >= set(TRICKY) - {"null", "a\r\nb\rc\nd"}  # pandas takes null for nothing


@pytest.mark.parametrize("form", FORMATS["preferences"])
def test_a_parquet_file_has_the_columns_and_types_of_its_format(home_of, tmp_path, form):
    store = home_of([{"prompt": TALK[:1], "chosen": "Goodbye.", "rejected": "So?"}])
    export_rows(store, tmp_path / "out.parquet", ExportRequest("preferences", form))
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", form))
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize("form", ["trl", "trl-implicit", "trl-conversational", "hh", "full"])
def test_importing_an_export_into_its_own_home_adds_nothing(home_of, tmp_path, form):
    store = home_of([{"prompt": TALK[:1], "chosen": "Goodbye.", "rejected": "So?", "labeler": "mina"}])
    done = export_rows(store, tmp_path / "out.jsonl.gz", ExportRequest("preferences", form))
    before = [
        store.value(f"SELECT count(*) FROM {table}")
        for table in ("prompts", "completions", "pairs", "comparisons", "accounts")
    ]
    assert import_file(store, tmp_path / "out.jsonl.gz", "preferences")["duplicate"] == done["rows"] == 1
    assert [
        store.value(f"SELECT count(*) FROM {table}")
        for table in ("prompts", "completions", "pairs", "comparisons", "accounts")
    ] == before


def test_every_column_brings_ties_and_labelers_into_another_home(home_of, tmp_path):
    votes = {"response1": "3", "response2": "4", "annotator1": 1, "annotator2": 0}
    store = home_of([{"instruction": "Add.", "input": "1 2", **votes}])
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", "full"))
    other = home_of([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]])
    assert {(row.prompt, row.chosen, row.margin) for row in preference_rows(other)} == {
        ("Add.\n\n1 2", "3", 2),
        ("Add.\n\n1 2", None, 0),
    }
    assert len({row.labeler for row in preference_rows(other)}) == 2


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(home_of, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 32)
    store = home_of([{"prompt": f"Say {n}.", "chosen": f"{n}" * 500, "rejected": "no " * 500} for n in range(800)])
    export_rows(store, tmp_path / f"warm.{kind}", ExportRequest("preferences"))  # loads what it needs
    written = sum(len(row.chosen) + len(row.rejected) for row in preference_rows(store))
    tracemalloc.start()
    export_rows(store, tmp_path / f"out.{kind}", ExportRequest("preferences"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < written / 2


def test_labelers_bear_the_same_pseudonym_in_every_export_unless_names_are_asked_for(home_of, tmp_path):
    store = home_of(
        [
            {"prompt": f"Say {n}.", "chosen": "a", "rejected": "b", "labeler": name}
            for n, name in enumerate(("mina", "jun", "mina"))
        ]
    )
    for what in ("preferences", "events"):
        export_rows(store, tmp_path / f"{what}.jsonl", ExportRequest(what))
        export_rows(store, tmp_path / f"{what}-names.jsonl", ExportRequest(what, names=True))
    text = [
        [
            row["labeler"]
            for row in map(json.loads, (tmp_path / f"{what}.jsonl").read_text().split("\n")[:-1])
            if "chosen" in row or "verdict" in row
        ]
        for what in ("preferences", "events")
    ]
    assert text[0] == text[1]
    assert (text[0][0] == text[0][2], len(set(text[0]))) == (True, 2)
    for what in ("preferences", "events"):
        assert "mina" not in (tmp_path / f"{what}.jsonl").read_text()
        assert "(mina)" in (tmp_path / f"{what}-names.jsonl").read_text()


def test_events_carry_what_they_are_about_and_one_table_holds_them(tricky, tmp_path):
    export_rows(tricky, tmp_path / "events.jsonl", ExportRequest("events"))
    rows = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().split("\n")[:-1]]
    texts = {row["id"]: row["text"] for row in rows if row["event"] in ("prompt", "completion")}
    compared = [row for row in rows if row["event"] == "comparison"]
    assert {texts[row["winner_id"]] for row in compared} == set(TRICKY)
    assert [row["text"] for row in rows if row["event"] == "guideline"] == [tricky.projects.guideline(1).text]
    export_rows(tricky, tmp_path / "events.parquet", ExportRequest("events"))
    assert {name for row in rows for name in row} <= set(pq.read_schema(tmp_path / "events.parquet").names)
    assert pq.read_table(tmp_path / "events.parquet").num_rows == len(rows)


def test_one_project_can_be_exported_alone(store, add_pairs, tmp_path):
    other = store.projects.add("Safety")
    for number, pair in enumerate(add_pairs(2)):
        mina = store.accounts.by_name("mina") or store.accounts.add("mina", "labeler")
        project = other.id if number else 1
        about = {
            "pair_id": pair.id,
            "labeler_id": mina.id,
            "left_id": pair.first_id,
            "right_id": pair.second_id,
            "project_id": project,
        }
        store.insert("assignments", about | {"id": f"a{number}", "expires_at": "2030", "created_at": "2026"})
        store.comparisons.record(id=f"c{number}", assignment_id=f"a{number}", verdict="left", source="person", **about)
    assert export_rows(store, tmp_path / "all.jsonl", ExportRequest("preferences"))["rows"] == 2
    assert export_rows(store, tmp_path / "one.jsonl", ExportRequest("preferences", project="Safety"))["rows"] == 1
    export_rows(store, tmp_path / "events.jsonl", ExportRequest("events", project="Safety"))
    rows = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().split("\n")[:-1]]
    assert [row["id"] for row in rows if row["event"] in ("comparison", "assignment")] == ["c1", "a1"]
    with pytest.raises(BadInput, match="Safty"):
        export_rows(store, tmp_path / "none.jsonl", ExportRequest("preferences", project="Safty"))

# SPDX-License-Identifier: Apache-2.0
"""Exports are complete, marked with their source, and read back by the tools that use them."""

from __future__ import annotations

import gzip
import json

import datasets
import pytest
from pyarrow import parquet

from data.errors import BadInput
from data.formats.export.formats import make_pseudonym
from data.transfer.exporting import (
    FORMATS,
    LABELS,
    ExportRequest,
    export_rows,
    stream_events,
)
from data.transfer.importing import import_file
from labeling.session import Answer, RankingAnswer, Session
from tests.support.data.labeled_answers import GIVEN, TALK, TAUGHT, add_answer


def read(path) -> list[dict]:
    text = gzip.decompress(path.read_bytes()).decode() if path.name.endswith(".gz") else path.read_text()
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("form", "ending"), [*((form, "jsonl") for form in FORMATS["preferences"]), ("trl", "json"), ("trl", "jsonl.gz")]
)
def test_every_preference_shape_is_read_by_datasets_and_keeps_source_and_margin(labelled, tmp_path, form, ending):
    out = tmp_path / f"out.{ending}"
    result = export_rows(labelled, out, ExportRequest("preferences", form=form, labels="all"))
    table = datasets.load_dataset("json", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(table) == result["rows"] == len(read(out))
    assert result["files"] == [str(out)]
    assert {"source", "margin", "split"} <= set(table.column_names)
    assert sorted(table["source"])[-1] == "simulated"
    assert set(table["margin"]) - {0} <= {1, 2, 3}


@pytest.mark.parametrize(
    ("form", "omitted"),
    [
        ("trl", {"tie": 1, "the TRL standard format cannot hold a conversation": 1}),
        ("trl-implicit", {"tie": 1, "the TRL standard format cannot hold a conversation": 1}),
        ("trl-conversational", {"tie": 1}),
        ("hh", {"tie": 1}),
        ("alpaca", {"tie": 1, "the Alpaca format cannot hold a conversation": 1}),
        ("full", {}),
    ],
)
def test_what_a_shape_cannot_say_is_left_out_and_counted(labelled, tmp_path, form, omitted):
    result = export_rows(labelled, tmp_path / "out.jsonl", ExportRequest("preferences", form=form, labels="all"))
    assert result["omitted"] == omitted
    assert result["rows"] == 4 - sum(omitted.values())


def test_conversational_rows_hold_messages(labelled, tmp_path):
    export_rows(labelled, tmp_path / "out.jsonl", ExportRequest("preferences", form="trl-conversational"))
    rows = {row["chosen"][0]["content"]: row for row in read(tmp_path / "out.jsonl")}
    assert rows["Goodbye."]["prompt"] == TALK
    assert rows["An oak."]["prompt"] == [{"role": "user", "content": "Name a tree."}]


def test_labels_name_exactly_the_sources_that_are_written(labelled, tmp_path):
    sources, given = {}, tmp_path / "judged.jsonl"
    given.write_text(json.dumps({"prompt": "Name a sea.", "chosen": "Aral.", "rejected": "Me.", "source": "ai"}))
    import_file(labelled, given, "preferences")
    for labels in LABELS:
        out = tmp_path / f"{labels}.jsonl"
        export_rows(labelled, out, ExportRequest("preferences", form="full", labels=labels))
        sources[labels] = sorted(row["source"] for row in read(out))
    assert sources == {
        "person": ["person"],
        "import": ["import", "import"],
        "person+import": ["import", "import", "person"],
        "simulated": ["simulated"],
        "ai": ["ai"],
        "all": ["ai", "import", "import", "person", "simulated"],
    }


def test_labels_of_other_sources_are_named_if_those_asked_for_are_missing(home_of, tmp_path):
    rows = [
        {"prompt": f"Say {n}.", "chosen": "a", "rejected": "b", "source": source}
        for n, source in enumerate(("", "simulated", "ai"))
    ]
    store = home_of(rows)
    with pytest.raises(BadInput, match="by people yet, only 1 imported and 1 simulated and 1 AI ones.*--labels import"):
        export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", labels="person"))
    assert not (tmp_path / "out.jsonl").exists()


def test_simulated_labels_alone_are_not_given_out_for_peoples(store, tmp_path):
    (tmp_path / "given.jsonl").write_text(json.dumps(GIVEN[2]))
    import_file(store, tmp_path / "given.jsonl", "preferences")
    with pytest.raises(BadInput, match="only 1 simulated"):
        export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences"))
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("form", ["trl", "full"])
def test_rows_lead_back_to_their_events_and_name_nobody(labelled, tmp_path, form):
    export_rows(labelled, tmp_path / "out.jsonl", ExportRequest("preferences", form=form, labels="all"))
    assert "anna" not in (tmp_path / "out.jsonl").read_text()
    for row in read(tmp_path / "out.jsonl"):
        assert labelled.comparisons.get(row.get("comparison") or row["comparison_id"]).margin == row["margin"]


def test_instructions_are_written_in_every_shape(store, tmp_path):
    given = tmp_path / "given.jsonl"
    given.write_text("\n".join(map(json.dumps, TAUGHT)))
    import_file(store, given, "instructions")
    for form in FORMATS["instructions"]:
        out = tmp_path / f"{form}.jsonl"
        name = {"alpaca": "Alpaca", "trl": "TRL standard"}.get(form)
        omitted = {f"the {name} format cannot hold a conversation": 1} if name else {}
        assert export_rows(store, out, ExportRequest("instructions", form=form)) == {
            "rows": 2 - len(omitted),
            "omitted": omitted,
            "files": [str(out)],
        }
        table = datasets.load_dataset("json", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
        assert set(table["source"]) == {"given.jsonl"}
    first = read(tmp_path / "alpaca.jsonl")[0]
    assert (first["instruction"], first["input"], first["output"], first["defects"]) == ("Add.", "1 2", "3", ["curt"])
    assert first["text"].endswith("### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3")
    assert read(tmp_path / "trl-conversational.jsonl")[1]["messages"][:3] == TALK


def test_events_are_all_there_with_what_was_taken_back_and_why(labelled, tmp_path):
    id = add_answer(labelled, "Say bye.", ("Bye.", "Ciao."), "left")
    old = labelled.comparisons.get(id)
    labelled.comparisons.record(
        id="undo",
        pair_id=old.pair_id,
        labeler_id=old.labeler_id,
        left_id=old.left_id,
        right_id=old.right_id,
        assignment_id=old.assignment_id,
        supersedes=id,
        verdict="withdrawn",
        source="person",
    )
    labelled.insert("skips", {"assignment_id": old.assignment_id, "reason": "Unclear.", "created_at": "2026"})
    result = export_rows(labelled, tmp_path / "events.jsonl", ExportRequest("events"))
    rows = read(tmp_path / "events.jsonl")
    kinds = [(row["event"], row.get("source")) for row in rows]
    assert result["rows"] == len(rows) == len(list(stream_events(labelled)))
    assert kinds.count(("comparison", "import")) == 2
    assert kinds.count(("comparison", "simulated")) == kinds.count(("assignment", "simulated")) == 1
    assert kinds.count(("comparison", "person")) == 3
    assert [row["reason"] for row in rows if row["event"] == "skip"] == ["Unclear."]
    assert next(row["rationale"] for row in rows if row.get("verdict") == "tie") == "Both fine."
    assert next(row["supersedes"] for row in rows if row.get("verdict") == "withdrawn") == id


def test_events_say_how_long_somebody_was_at_work_and_whether_a_labeler_is_set_aside(store, add_pairs, tmp_path):
    add_pairs(2)
    answers = [{"prompt_id": 1, "model_name": "m", "text": text, "number": n} for n, text in enumerate(("a", "b", "c"))]
    store.rankings.add_task(1, store.completions.add_many(answers))
    for name, seconds in (("mina", 7.5), ("jun", None)):
        session = Session(store, store.accounts.add(name, "labeler"), overlap=2, rankings=True)
        while item := session.next():
            about = {"id": f"{name}-{item.assignment}", "assignment": item.assignment, "active_seconds": seconds}
            session.submit(
                RankingAnswer(**about, places=(1, 2, 3))
                if hasattr(item, "answers")
                else Answer(**about, verdict="left")
            )
    store.excluded_labelers.exclude("jun", "asleep", by="rae")
    export_rows(store, tmp_path / "events.jsonl", ExportRequest("events"))
    export_rows(store, tmp_path / "events.parquet", ExportRequest("events"))
    mina, jun = (make_pseudonym(store.accounts.by_name(name).id) for name in ("mina", "jun"))
    said = {
        ("comparison", mina, 7.5, 0),
        ("ranking", mina, 7.5, 0),
        ("comparison", jun, None, 1),
        ("ranking", jun, None, 1),
    }
    for rows in (read(tmp_path / "events.jsonl"), parquet.read_table(tmp_path / "events.parquet").to_pylist()):
        message = [row for row in rows if row["event"] in ("comparison", "ranking")]
        assert {(row["event"], row["labeler"], row["active_seconds"], row["set_aside"]) for row in message} == said
        assert len(message) == 6
    mine = [
        row
        for row in store.personal_data.rows(store.accounts.by_name("mina").id)
        if row["kind"] in ("comparison", "ranking")
    ]
    assert [row["active_seconds"] for row in mine] == [7.5] * 3

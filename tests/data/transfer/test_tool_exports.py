# SPDX-License-Identifier: Apache-2.0
"""Tool calls survive import, export and import again, in every kind of file that holds turns."""

from __future__ import annotations

import json
from contextlib import closing

import datasets
import pytest

from data.transfer.exporting import ExportRequest, export_dataset, export_rows
from data.transfer.importing import import_file
from data.views.preferences import preference_rows
from tests.support.data.stores import new_store

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TURNS = [
    {"role": "user", "content": "Weather in Oslo?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "5 C", "tool_call_id": "c1"},
]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
ANSWERS = {"chosen": "It is 5 degrees.", "rejected": "No idea."}
KEPT = [
    {"role": "system", "content": "", "tools": json.dumps(TOOLS)},
    TURNS[0],
    {**TURNS[1], "content": ""},
    TURNS[2],
]


@pytest.fixture
def tooled(home_of):
    return home_of(
        [{"prompt": TURNS, "tools": TOOLS, **ANSWERS}, {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."}]
    )


@pytest.mark.parametrize("form", ["trl-conversational", "full"])
@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv", "out.parquet"])
def test_calls_and_tools_come_back_from_every_kind_of_file(tooled, tmp_path, form, name):
    export_rows(tooled, tmp_path / name, ExportRequest("preferences", form))
    with closing(new_store(tmp_path / "again")) as again:
        import_file(again, tmp_path / name, "preferences")
        assert [row.messages for row in preference_rows(again)] == [KEPT, None]
        assert [row.prompt for row in preference_rows(again)] == [row.prompt for row in preference_rows(tooled)]


def test_demonstrations_keep_their_calls(store, tmp_path):
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"messages": [*TURNS, {"role": "assistant", "content": "5."}], "tools": TOOLS}))
    import_file(store, given, "instructions")
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("instructions", "trl-conversational"))
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row["messages"] == [*KEPT[1:], {"role": "assistant", "content": "5."}]
    assert json.loads(row["tools"]) == TOOLS


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_the_card_declares_the_fields_of_calls(tooled, tmp_path, kind):
    export_dataset(tooled, tmp_path / "out", ExportRequest("preferences", "trl-conversational"), kind)
    rows = [
        row
        for split in datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")).values()
        for row in split
    ]
    calls = [turn["tool_calls"] for row in rows for turn in row["prompt"] if turn["tool_calls"]]
    assert calls == [[CALL]]


def test_exports_without_tools_have_no_fields_for_them(labelled, tmp_path):
    columns = ExportRequest("preferences", "trl-conversational").columns(labelled)
    assert columns["prompt"] == "messages"
    assert "tools" not in columns

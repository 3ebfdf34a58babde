# SPDX-License-Identifier: Apache-2.0
"""Exported folders: `datasets` loads each one without a warning, and Croissant metadata name every file."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections import Counter
from contextlib import closing

import datasets
import pytest
import yaml

from data.formats.export.column_types import CELLS, STRUCTURES
from data.formats.export.formats import SINGLE
from data.transfer.exporting import FILES, FORMATS, ExportRequest, export_dataset, export_rows
from data.transfer.importing import import_file
from tests.support.data.labeled_answers import TAUGHT
from tests.support.data.stores import new_store

CASES = [(what, form, kind) for what in FORMATS for form in FORMATS[what] for kind in FILES]


FEW = {"csv": {"chunksize": 2}, "jso": {"chunksize": 300}}
"""Rows, or bytes, that `datasets` reads at once; the types of a large file come from its first part alone."""
UNTOUCHED = {"csv": CELLS, "par": set(STRUCTURES) - {"json"}, "jso": STRUCTURES}
"""Kinds of columns that a kind of file holds as they are; the others are JSON text."""


COMES_BACK = (
    ("prompts", "trl-conversational"),
    ("preferences", "kto"),
    ("preferences", "full"),
    ("instructions", "alpaca"),
)
LIKE_NUMBERS = [
    {"prompt": "Count to 3.", "chosen": "03", "rejected": "NA"},
    {"prompt": "Name a void.", "chosen": "null", "rejected": ""},
]


def bare(value):
    """Return a value without the nulls and empty texts of its objects, which some kinds of files cannot tell apart."""
    if isinstance(value, dict):
        return {name: bare(part) for name, part in sorted(value.items()) if part not in (None, "")}
    return [bare(part) for part in value] if isinstance(value, list) else value


def parse(row, texts):
    return {name: json.loads(value) if name in texts and value else value for name, value in row.items()}


@pytest.fixture
def filled(labelled, tmp_path):
    """A home with comparisons of every source, instructions and prompts, some of them conversations."""
    given = tmp_path / "instructions.jsonl"
    given.write_text("\n".join(map(json.dumps, TAUGHT)))
    import_file(labelled, given, "instructions")
    given.write_text("\n".join(map(json.dumps, LIKE_NUMBERS)))
    import_file(labelled, given, "preferences")
    labelled.prompts.add("Name a sea.", source="here", family="names", facts={"answer": ["Aral", 1]})
    return labelled


@pytest.mark.parametrize(("what", "form", "kind"), CASES)
def test_datasets_loads_every_folder_without_a_warning(filled, tmp_path, caplog, monkeypatch, what, form, kind):
    request = ExportRequest(what, form, labels="all")
    export_dataset(filled, tmp_path / "out", request, kind)
    monkeypatch.setattr(logging.getLogger("datasets"), "propagate", True)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "datasets"):
        warnings.simplefilter("error")
        loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
        parts = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "parts"), **FEW.get(kind[:3], {}))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("datasets")] == []
    texts = [name for name, of in request.columns(filled).items() if of not in UNTOUCHED.get(kind[:3], ())]
    expected = [bare(row) for row in request.rows(filled, Counter())]
    for read in (loaded, parts):
        rows = [bare(parse(row, texts)) for split in read.values() for row in split]
        assert sorted(rows, key=str) == sorted(expected, key=str)
    header = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])["dataset_info"]
    if kind == "parquet":
        for split in header["splits"]:
            measured = loaded[split["name"]].data.nbytes
            assert abs(split["num_bytes"] - measured) < 0.2 * measured + 200, split


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(("what", "form"), COMES_BACK)
def test_an_exported_folder_comes_back_whole(filled, tmp_path, what, form, kind):
    done = export_dataset(filled, tmp_path / "out", ExportRequest(what, form, labels="all"), kind)
    with closing(new_store(tmp_path / "other")) as other:
        report = import_file(other, tmp_path / "out", what)
        assert report["added"] == done["rows"] // (2 if form in SINGLE else 1)
        assert "left out, describes the data: croissant.json" in report["file_notes"]
        assert import_file(other, tmp_path / "out", what)["added"] == 0


@pytest.mark.parametrize("kind", FILES)
def test_croissant_metadata_name_every_file_with_its_hash_and_every_column(filled, tmp_path, kind):
    out = tmp_path / "out"
    export_dataset(filled, out, ExportRequest("preferences", "trl-conversational", labels="all"), kind)
    document = json.loads((out / "croissant.json").read_text())
    files = {file["name"]: file for file in document["distribution"]}
    assert sorted(files) == sorted(path.name for path in out.iterdir() if path.name.endswith(kind))
    for name, file in files.items():
        content = (out / name).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    for records in document["recordSet"]:
        fields = {field["name"]: field for field in records["field"]}
        assert fields["margin"]["dataType"] == "sc:Integer"
        parts = [part["name"] for part in fields["prompt"].get("subField", ())]
        assert parts == ([] if kind.startswith("csv") else ["role", "content"])
        assert {field["source"]["fileObject"]["@id"] for field in fields.values() if "source" in field} <= set(files)


def test_croissant_metadata_leave_out_columns_of_mixed_types(filled, tmp_path):
    export_dataset(filled, tmp_path / "out", ExportRequest("prompts"))
    document = json.loads((tmp_path / "out" / "croissant.json").read_text())
    names = {field["name"] for records in document["recordSet"] for field in records["field"]}
    assert names == {"prompt", "source", "split", "family"}


@pytest.mark.parametrize("what", FORMATS)
@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet", "jsonl.gz", "json.gz", "csv.gz"])
def test_datasets_loads_a_folder_that_holds_one_exported_file(filled, tmp_path, ending, what):
    (tmp_path / "out").mkdir()
    done = export_rows(filled, tmp_path / "out" / f"train.{ending}", ExportRequest(what, labels="all"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert len(loaded["train"]) == done["rows"]

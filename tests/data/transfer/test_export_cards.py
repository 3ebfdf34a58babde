# SPDX-License-Identifier: Apache-2.0
"""Exported folders: `datasets` loads each one without a warning, and Croissant metadata name every file."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings

import datasets
import pytest
import yaml

from data.transfer.exporting import FILES, FORMATS, ExportRequest, export_dataset
from data.transfer.importing import import_file
from tests.support.data.labeled_answers import TAUGHT

CASES = [(what, form, kind) for what in FORMATS for form in FORMATS[what] for kind in ("jsonl", "csv", "parquet")]


@pytest.fixture
def filled(labelled, tmp_path):
    """A home with comparisons of every source, instructions and prompts, some of them conversations."""
    given = tmp_path / "instructions.jsonl"
    given.write_text("\n".join(map(json.dumps, TAUGHT)))
    import_file(labelled, given, "instructions")
    labelled.prompts.add("Name a sea.", source="here", family="names", facts={"answer": ["Aral", 1]})
    return labelled


@pytest.mark.parametrize(("what", "form", "kind"), [*CASES, ("preferences", "trl", "jsonl.gz")])
def test_datasets_loads_every_folder_without_a_warning(filled, tmp_path, caplog, monkeypatch, what, form, kind):
    done = export_dataset(filled, tmp_path / "out", ExportRequest(what, form, labels="all"), kind)
    monkeypatch.setattr(logging.getLogger("datasets"), "propagate", True)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "datasets"):
        warnings.simplefilter("error")
        loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("datasets")] == []
    assert sum(len(rows) for rows in loaded.values()) == done["rows"]
    header = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])["dataset_info"]
    if "features" in header and kind == "parquet":
        for split in header["splits"]:
            measured = loaded[split["name"]].data.nbytes
            assert abs(split["num_bytes"] - measured) < 0.2 * measured + 200, split


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

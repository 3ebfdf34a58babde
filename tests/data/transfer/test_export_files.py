# SPDX-License-Identifier: Apache-2.0
"""Exported files: none is overwritten or left half written, and every kind of model has an exporter."""

from __future__ import annotations

import inspect
import os
from importlib import import_module

import pytest

from data.errors import BadInput
from data.transfer.cards.data_card import AGREEMENT
from data.transfer.exporting import (
    MODEL_EXPORTERS,
    MODELS,
    ExportRequest,
    export_model,
    export_rows,
)


def test_an_existing_file_is_refused_unless_forced(labelled, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(BadInput, match="this file or folder exists"):
        export_rows(labelled, out, ExportRequest("preferences"))
    assert out.read_text() == "mine"
    export_rows(labelled, out, ExportRequest("preferences"), force=True)
    assert out.read_text() != "mine"


def test_a_failed_export_leaves_the_old_file_and_nothing_else(store, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(BadInput, match="there are no rows to write"):
        export_rows(store, out, ExportRequest("events"), force=True)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out.jsonl"]
    with pytest.raises(BadInput, match="there is no folder"):
        export_rows(store, tmp_path / "none" / "out.jsonl", ExportRequest("events"))


def test_the_export_is_in_the_audit_list(labelled, tmp_path):
    export_rows(labelled, tmp_path / "out.jsonl", ExportRequest("preferences", form="hh"), by="anna")
    act = labelled.audit.all()[0]
    assert (act["actor"], act["action"], act["detail"]["format"], act["detail"]["rows"]) == ("anna", "export", "hh", 2)


def test_a_wrong_format_is_named(labelled, tmp_path):
    with pytest.raises(BadInput, match="instructions cannot be written as 'hh'"):
        export_rows(labelled, tmp_path / "out", ExportRequest("instructions", form="hh"))


def test_a_new_file_has_the_usual_permissions(labelled, tmp_path):
    export_rows(labelled, tmp_path / "out.jsonl", ExportRequest("preferences"))
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o666 & ~mask


def test_models_are_written_by_the_function_that_is_registered(store, tmp_path, monkeypatch):
    monkeypatch.setitem(MODEL_EXPORTERS, "policy", "tests.data.transfer.test_export_files:note")
    assert export_model(store, tmp_path / "out", "policy", "p4", merge=True) == {"asked": ("p4", True, False)}


def note(store, id, out, *, merge, force):
    return {"asked": (id, merge, force)}


@pytest.mark.parametrize("name", [*MODEL_EXPORTERS.values(), AGREEMENT])
def test_every_function_that_is_named_by_a_text_exists(name):
    module, _, function = name.partition(":")
    parameters = list(inspect.signature(getattr(import_module(module), function)).parameters)
    assert parameters[0] == "store"
    assert parameters[1:] == ["source"] if name == AGREEMENT else parameters[2:] == ["out", "merge", "force"]


def test_models_have_an_exporter_each():
    assert set(MODEL_EXPORTERS) == set(MODELS)

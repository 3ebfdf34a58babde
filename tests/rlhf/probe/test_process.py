# SPDX-License-Identifier: Apache-2.0
"""The check as a command and at the door of a home: exit status, one line, a record of what passed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
from transformers import AutoTokenizer

import app
from data.errors import BadInput
from data.starter import SOURCE
from rlhf.probe import __main__ as probe_program
from rlhf.probe import process
from rlhf.probe.document import Unusable
from rlhf.probe.process import ensure_usable, run_check
from tests.rlhf.probe.broken_models import REFUSALS, make_broken
from tests.support.tiny_model import make_tiny_model

PASSED = {"model": "m", "status": "ok", "lines": [{"name": "roles", "state": "note", "detail": "no", "remedy": ""}]}
REFUSED = {
    "model": "m",
    "status": "refused",
    "lines": [{"name": "x", "state": "refused", "detail": "no", "remedy": "Y."}],
}


@pytest.fixture
def model(tmp_path):
    return make_tiny_model("llama", tmp_path / "model")


@pytest.fixture
def runs(monkeypatch):
    """The checks that were run; each passes."""
    runs = []
    monkeypatch.setattr(process, "run_check", lambda *request: runs.append(request) or PASSED)
    return runs


@pytest.fixture
def in_process(monkeypatch):
    """Let the program of a check read its request and write its document here: a process loads torch for 10 seconds."""

    def run(command: list[str], *, input: str, **options: object) -> subprocess.CompletedProcess[str]:
        assert command == [sys.executable, "-m", probe_program.__package__]
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        with redirect_stdout(io.StringIO()) as printed:
            code = probe_program.main()
        return subprocess.CompletedProcess(command, code, printed.getvalue(), "")

    monkeypatch.setattr(process.subprocess, "run", run)


def test_the_command_checks_in_another_process_prints_a_table_and_exits_with_0(capsys, model):
    assert app.main(["check", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["class", "files", "weights"]
    assert all(line.startswith("ok ") for line in lines)


@pytest.mark.usefixtures("in_process")
def test_a_refused_model_prints_the_table_then_one_line_and_exits_with_2(capsys, tmp_path):
    model = make_broken(tmp_path / "model", "NaN")
    capsys.readouterr()
    assert app.main(["check", str(model)]) == 2
    printed = capsys.readouterr()
    assert "REFUSED weights" in printed.out
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"'{model}' cannot be a base: the weights of")
    assert "hold NaN" in printed.err


@pytest.mark.usefixtures("in_process")
def test_as_json_a_refusal_is_one_document_with_every_line(capsys, tmp_path):
    model = make_broken(tmp_path / "model", "classification head")
    capsys.readouterr()
    assert app.main(["check", str(model), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["field"] == "base"
    assert document["remedy"]
    assert document["lines"][-1]["state"] == "refused"


def test_a_folder_without_a_model_is_one_line(capsys, tmp_path):
    assert app.main(["check", str(tmp_path)]) == 2
    assert "config.json is missing" in capsys.readouterr().err


@pytest.mark.usefixtures("in_process")
def test_the_command_passes_arguments_to_the_template(capsys, model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template += "{% if thinking %}<think>{% endif %}"
    tokenizer.save_pretrained(model)
    for arguments, status, says in (
        ([], 0, "ok      template"),
        (["thinking=true"], 0, "so answers begin with thoughts"),
        (["thinkin=true"], 2, "the chat template reads no argument 'thinkin'"),
        (["thinking"], 2, "'thinking' is not NAME=VALUE"),
    ):
        assert app.main(["check", str(model), *(f"--template-set={given}" for given in arguments)]) == status
        printed = capsys.readouterr()
        assert says in printed.out + printed.err


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (("serve", "--port", "0", "--base"), "broken template"),
        (("import", "--as", "policy"), "missing tensor"),
    ],
)
def test_serve_and_import_refuse_the_model_and_leave_the_store_as_it_was(capsys, store, tmp_path, command, fault):
    model = make_broken(tmp_path / "model", fault)
    store.policies.add(name="tiny", kind="base", base="elsewhere")
    assert app.main([*command, str(model), "--home", str(store.home)]) == 2
    assert REFUSALS[fault][2] in capsys.readouterr().err
    assert [policy.name for policy in store.policies.all()] == ["tiny"]
    assert not (store.home / process.PASSED).exists()


def test_a_model_that_passed_is_checked_again_only_after_a_change(tmp_path, model, runs, capsys):
    for _ in range(2):
        ensure_usable(tmp_path, str(model))
    assert len(runs) == 1
    assert "Note on its roles: no" in capsys.readouterr().err
    ensure_usable(tmp_path, str(model), "{{ a template }}")
    assert len(runs) == 2
    for _ in range(2):
        ensure_usable(tmp_path, str(model), "{{ a template }}", {"a": 1})
    assert len(runs) == 3
    os.utime(model / "model.safetensors", (1, 1))
    ensure_usable(tmp_path, str(model))
    assert len(runs) == 4


def test_the_starter_is_not_checked_but_an_adapter_on_it_is(tmp_path, runs):
    ensure_usable(tmp_path, SOURCE)
    assert runs == []
    for _ in range(2):
        ensure_usable(tmp_path, SOURCE, adapter=tmp_path)
    assert len(runs) == 2


def test_a_refusal_is_not_recorded(tmp_path, model, monkeypatch):
    monkeypatch.setattr(process, "run_check", lambda *request: REFUSED)
    with pytest.raises(Unusable, match="'m' cannot be a base: no"):
        ensure_usable(tmp_path, str(model))
    assert not (tmp_path / process.PASSED).exists()


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("kill -9 $$", "killed, probably for want of memory"),
        ("echo 'Traceback\nOSError: no space' >&2; exit 1", "OSError: no space"),
        ("exit 3", "no reason given"),
    ],
)
def test_a_check_whose_process_dies_is_one_line(tmp_path, monkeypatch, death, reason):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{death}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(BadInput, match=f"the check of 'm' ended early: {reason}") as refused:
        run_check("m")
    assert "\n" not in str(refused.value)

# SPDX-License-Identifier: Apache-2.0
"""`preference-loop audit`: it prints the list, or writes it to a file."""

from __future__ import annotations

import csv
import json

import app
from data.tables.audit import CALLER_ADDRESS


def test_the_list_is_printed_and_exported(store, home, tmp_path, capsys):
    token = CALLER_ADDRESS.set("2001:db8::1")
    store.audit.add("account 7", "test", text='a "quote", \x1b[31m')
    CALLER_ADDRESS.reset(token)
    arguments = ["--home", str(home)]
    assert app.main(["audit", *arguments]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["address"], json.loads(line)["action"]) == ("2001:db8::1", "test")
    assert app.main(["audit", "--format", "csv", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[0].replace('"', "") == "id,created_at,actor,name,address,action,detail"
    assert app.main(["audit", "--since", "2999-01-01", *arguments]) == 0
    assert capsys.readouterr().out.strip() == ""
    assert app.main(["audit", "--json", *arguments]) == 0
    assert [act["actor"] for act in json.loads(capsys.readouterr().out)["acts"]] == ["account 7"]
    assert app.main(["audit", "--out", str(tmp_path / "list.csv"), *arguments]) == 0
    assert capsys.readouterr().out.strip() == f"1 acts are in {tmp_path / 'list.csv'}."
    assert len(list(csv.DictReader((tmp_path / "list.csv").open()))) == 1
    assert app.main(["audit", "--since", "yesterday", *arguments]) == 2
    message = "'yesterday' is not a date or time (field 'since'). Write one such as 2026-11-28 or 2026-11-28T09:30."
    assert capsys.readouterr().err.strip() == message

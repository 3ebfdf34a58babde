# SPDX-License-Identifier: Apache-2.0
"""Import and export over the HTTP API."""

from __future__ import annotations

import gzip
import json
from argparse import Namespace

import pytest

from data.commands import cmd_import
from data.errors import BadInput
from data.formats import AUTO
from data.formats.mapping import parse_mapping
from data.views.preferences import preference_rows
from labeling.api.option_names import PARAMETERS
from tests.support.data.import_rows import counted


def test_a_file_goes_in_once_and_comes_out_again(researcher, store):
    rows = [{"prompt": f"ask {number}", "chosen": "good", "rejected": "bad"} for number in range(3)]
    body = "\n".join(map(json.dumps, rows)).encode()
    first = researcher.post("/api/v1/import?as=preferences&name=mine.jsonl", content=gzip.compress(body))
    assert (first.status_code, counted(first.json())) == (200, {"read": 3, "added": 3, "duplicate": 0, "rejected": 0})
    again = researcher.post("/api/v1/import?as=preferences&format=trl&name=mine.jsonl", content=body).json()
    assert (again["added"], again["duplicate"]) == (0, 3)
    out = researcher.get("/api/v1/export?what=preferences&format=trl")
    assert (out.headers["x-rows"], out.headers["x-omitted"]) == ("3", "{}")
    assert [{name: row[name] for name in rows[0]} for row in map(json.loads, out.text.splitlines())] == rows
    assert [f"{act['actor']}: {act['action']}" for act in store.audit.all()] == [
        "account 1: export",
        *["account 1: import"] * 2,
    ]
    assert list((store.home / "cache").iterdir()) == []


def test_a_file_goes_into_a_project_and_comes_out_of_it_with_names_where_they_are_asked_for(researcher, store):
    store.projects.add("Notes")
    row = {"prompt": "ask", "chosen": "good", "rejected": "bad"}
    assert (
        researcher.post("/api/v1/import?as=preferences&project=Notes&name=mine.jsonl", content=json.dumps(row)).json()[
            "added"
        ]
        == 1
    )

    def labelers(query):
        rows = map(json.loads, researcher.get(f"/api/v1/export?what=events&{query}").text.splitlines())
        return [row["labeler"] for row in rows if row["event"] == "comparison"]

    (comparison,) = store.comparisons.events()
    assert labelers("project=Notes") == [f"labeler-{comparison.labeler_id}"]
    assert labelers("project=Notes&names=true") == [store.accounts.get(comparison.labeler_id).name]
    assert labelers("project=Standard") == []


@pytest.mark.parametrize(
    ("call", "field", "said"),
    [
        ("import?as=pictures", "as", "'pictures' is not a value of 'as'"),
        ("import", "as", "missing"),
        ("import?as=prompts&colour=red", "colour", "no parameter"),
        ("import?as=prompts", None, ""),
        ("import?as=preferences&project=Nowhere", "project", "Nowhere"),
        ("import?as=prompts&project=Standard", "project", "belong to no labeling project"),
        ("export?what=preferences", None, "no comparisons"),
        ("export?what=events&project=Nowhere", "project", "Nowhere"),
        ("export?what=instructions&format=hh", "format", "cannot be written as 'hh'"),
    ],
)
def test_a_file_that_cannot_be_taken_or_made_is_one_line_and_leaves_nothing(researcher, store, call, field, said):
    answer = researcher.request(
        "GET" if call.startswith("export") else "POST", f"/api/v1/{call}", content=b'{"nothing": 1}'
    )
    assert answer.status_code == 400
    assert answer.json()["field"] == field or field is None
    assert said in answer.json()["error"]
    assert answer.json()["remedy"]
    assert str(store.home) not in answer.text
    assert [*(store.home / "cache").glob("*")] == []
    assert store.prompts.count() == 0


NESTED = {"question": "ask", "answers": ["good", "bad"]}
MAP = "prompt=question,chosen=answers.0,rejected=answers.1"
SAID = ("error", "line", "field", "remedy")


def test_a_mapping_names_the_columns_of_a_body(researcher, store):
    def post(mapping, kind="preferences"):
        query = {"as": kind, "name": "mine.jsonl", "map": mapping}
        return researcher.post("/api/v1/import", params=query, content=json.dumps(NESTED))

    assert post("").status_code == 400
    assert post(MAP).json()["added"] == 1
    [row] = preference_rows(store)
    assert (row.prompt, row.chosen, row.rejected) == ("ask", "good", "bad")
    assert store.audit.all()[0]["detail"]["map"] == MAP
    store.column_mappings.save("questions", MAP)
    assert post("questions").json()["duplicate"] == 1


@pytest.mark.parametrize("mapping", ["prompt=question,prompt=answers", "question", "prompt=question,chosen=answers.7"])
def test_a_mapping_is_refused_with_the_error_of_the_command(researcher, store, tmp_path, mapping):
    answer = researcher.post("/api/v1/import", params={"as": "preferences", "map": mapping}, content=json.dumps(NESTED))
    assert answer.status_code == 400
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(NESTED), encoding="utf-8")
    args = {"what": "preferences", "files": [file], "map": mapping, "format": AUTO, "encoding": "", "project": ""}
    with pytest.raises(BadInput) as refused:
        cmd_import(Namespace(home=store.home, dry_run=False, rejected=None, skip_bad=False, **args))
    named = refused.value.rename_options(PARAMETERS)
    assert [answer.json()[name] for name in SAID] == [getattr(named, name) for name in SAID]


def test_the_description_explains_the_mapping_with_an_example_that_works(researcher):
    described = researcher.get("/api/v1/openapi.json").json()["paths"]["/api/v1/import"]["post"]["parameters"]
    [parameter] = [parameter for parameter in described if parameter["name"] == "map"]
    assert "--map" in parameter["schema"]["description"]
    assert [list(parse_mapping(text)) for text in parameter["schema"]["examples"]] == [["prompt", "chosen", "model"]]


def test_files_are_for_researchers(client):
    assert client.post("/api/v1/import?as=prompts", content=b"{}").status_code == 403
    assert client.get("/api/v1/export?what=events").status_code == 403


def test_an_import_beyond_the_limit_is_refused_while_it_arrives(researcher, store, monkeypatch):
    monkeypatch.setattr("labeling.http.bodies.FILE_LIMIT", 1000)
    assert researcher.post("/api/v1/import?as=prompts", content=b"x" * 1001).status_code == 413
    assert [*(store.home / "cache").glob("*")] == []


def test_a_parameter_that_is_wrong_is_named(researcher):
    bad = researcher.post("/api/v1/import?as=prompts&skip_bad=perhaps", content=b"").json()
    assert (bad["field"], bad["error"]) == ("skip_bad", "'perhaps' is not true or false")

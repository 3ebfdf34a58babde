# SPDX-License-Identifier: Apache-2.0
"""Errors of the HTTP API name parameters of the request where the command names options."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import data.formats
import data.texts
import data.transfer
from data.errors import OPTION, rename_options
from labeling.api.option_names import PARAMETERS
from reward.report.option_names import FIELDS

GOOD = {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."}
TIED = {"prompt": "Hi", "responses": ["a", "b"], "scores": [1, 2], "ranks": [2, 1]}
UNVOTED = {"instruction": "Hi", "completions": [{"response": text, "model": "m"} for text in "ab"]}
NO_PROMPT = {"chosen": "The sky is blue", "rejected": "The sky is green"}


@pytest.mark.parametrize(
    ("rows", "query", "named"),
    [
        ([{"promt": "Hi"}], "as=prompts", "Most bad rows can be read with map=prompt=promt."),
        ([GOOD, {"prompt": ""}], "as=prompts", "Correct it, or import the good rows with skip_bad=true."),
        (
            [GOOD, {"x": 1}, {"prompt": ""}],
            "as=prompts",
            "(1 of 3 rows are good; 1 other reason, see the report of skip_bad=true)",
        ),
        ([GOOD | {"label": 1}], "as=preferences", "(map=label= leaves it out)"),
        ([TIED], "as=preferences", "both rate the responses: leave one out with map=ranks="),
        ([UNVOTED], "as=preferences", "import such rows as pairs to label (as=pairs)"),
        ([{"prompt": "Hi"}], "as=preferences", "Name other columns with map, as in map=prompt=COLUMN."),
        ([NO_PROMPT], "as=preferences", "format=trl-implicit takes the beginning that both share"),
        ([{"messages": [{"role": "user", "content": "Hi"}]}], "as=pairs", "this row can be imported with as=prompts"),
        (
            [{"prompt": "Hi", "completion": "Yes.", "label": False}],
            "as=preferences",
            "(as=instructions with skip_bad=true)",
        ),
        (
            [GOOD],
            "as=prompts&map=prompt%3Da,prompt%3Db",
            "Write it as map=prompt=question,chosen=answers.0,model='gpt-x'.",
        ),
    ],
)
def test_an_import_that_fails_names_the_parameters_of_the_request(researcher, rows, query, named):
    answer = researcher.post(f"/api/v1/import?{query}", content="\n".join(map(json.dumps, rows)))
    assert answer.status_code == 400
    line = f"{answer.json()['error']} {answer.json()['remedy']}"
    assert named in line
    assert "--" not in line


def test_a_body_in_another_encoding_names_the_parameter(researcher):
    answer = researcher.post("/api/v1/import?as=prompts&encoding=utf-16", content=b"abc")
    assert answer.json()["remedy"] == "Give another encoding."


def test_the_reasons_in_a_report_name_the_parameters(researcher):
    body = "\n".join(map(json.dumps, [GOOD, GOOD | {"label": 1}]))
    report = researcher.post("/api/v1/import?as=preferences&skip_bad=true", content=body).json()
    [problem] = report["problems"]
    assert problem["reason"].endswith("(map=label= leaves it out)")


def test_an_export_without_rows_names_the_parameters(researcher):
    researcher.post("/api/v1/import?as=preferences", content=json.dumps(GOOD))
    answer = researcher.get("/api/v1/export?what=preferences&labels=simulated")
    assert answer.json()["remedy"].endswith("labels=import when training, labels=import when exporting.")


def test_every_parameter_that_a_message_names_exists(researcher):
    paths = researcher.get("/api/v1/openapi.json").json()["paths"]
    known = {
        parameter["name"]
        for path, method in (("import", "post"), ("export", "get"))
        for parameter in paths[f"/api/v1/{path}"][method]["parameters"]
    }
    named = {
        re.findall(r"\w+", name("x"))[0] for option, name in PARAMETERS.items() if option not in ("dry-run", "set")
    }
    assert named <= known


def test_every_option_in_a_message_of_an_import_has_a_name_elsewhere():
    of_this_layer = json.loads(Path(data.texts.__file__).with_name("en.json").read_text(encoding="utf-8"))
    options = {
        option
        for key, text in of_this_layer.items()
        for option in re.findall(r"(?<!\w)--([a-z][a-z-]+)", text)
        if key != "error.no_data_set_remedy"  # of the hub, which only a command reads
    }
    for package in (data.formats, data.transfer):
        for path in Path(next(iter(package.__path__))).rglob("*.py"):
            texts = [
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            options |= {
                option
                for text in texts
                for option in re.findall(r"(?<!\w)--([a-z][a-z-]+)", text)
                if path.stem not in ("hub", "backup", "scheduled_backups", "writing")
            }
    assert options == set(PARAMETERS)
    assert options <= FIELDS.keys()


@pytest.mark.parametrize("names", [PARAMETERS, FIELDS])
def test_no_option_is_left_in_a_message(names):
    given = "Give --as pairs, --format hh, --map a=b,c=d.0. or --map, --labels ai, --set a=1, --encoding, --skip-bad, --dry-run."
    assert len(OPTION.findall(given)) == 9
    columns = "the row has no '--map'; it has '--as', '--as-is', --mapping"
    assert rename_options(columns, names) == columns
    command = "Import one: preference-loop import FOLDER --as policy --format x."
    assert rename_options(command, names) == command
    assert "--" not in rename_options(given, names).replace("“", "").replace("--format hh of the command", "")

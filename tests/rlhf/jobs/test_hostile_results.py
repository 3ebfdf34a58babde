# SPDX-License-Identifier: Apache-2.0
"""Results of a node that lies: they change nothing but the run's own products."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs.requests import COLUMNS, archive, end


@pytest.mark.parametrize("form", ["absolute", "upwards"])
def test_a_result_cannot_move_a_folder_of_the_server(client, jobs, unsupervised, form):
    run, token = jobs("a")
    victim = unsupervised.home / "policies" / "p1"
    victim.mkdir(parents=True)
    (victim / "weights").write_text("1")
    id = str(victim) if form == "absolute" else "../../../../policies/p1"
    body = end(unsupervised.policies.get(1).base, id=id)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 400
    assert (victim / "weights").read_text() == "1"
    assert (unsupervised.runs.get(run).state, unsupervised.policies.count()) == ("running", 1)


@pytest.mark.parametrize(
    "column",
    [
        {"name) SELECT (SELECT hash FROM worker_tokens), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? --": "x"},
        {"role": "judge"},
        {"name": ["a", "list"]},
        {"seed": "none"},
    ],
    ids=["statement", "of another table", "list", "text"],
)
def test_a_result_with_a_foreign_column_is_refused(client, jobs, unsupervised, column):
    run, token = jobs("a")
    body = end(unsupervised.policies.get(1).base, **column)
    answer = client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token)
    assert (answer.status_code, answer.json()["error"][:2]) == (400, "p9")
    assert (unsupervised.runs.get(run).state, unsupervised.policies.count()) == ("running", 1)


def test_a_reward_model_cannot_come_as_a_base(client, jobs, unsupervised):
    run, token = jobs("a")
    names = ("id", "name", "adapter", "snapshot_id", "run_id", "config", "seed", "versions", "created_at")
    columns = {name: COLUMNS[name] for name in names} | {"role": "driver", "report": {}, "base": "/etc"}
    model = {"id": "r9", "is_base": True, "columns": columns}
    document = {"state": "done", "error": None, "report": {}, "produced": [model]}
    body = archive(("result.json", json.dumps(document).encode()), ("models/r9/weights", b"1"))
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 400
    assert unsupervised.policies.count() == 1


def test_no_name_of_a_column_ends_a_statement(unsupervised):
    with pytest.raises(ValueError, match="is no name of a column"):
        unsupervised.insert("meta", {"key) VALUES (?) --": "x"})

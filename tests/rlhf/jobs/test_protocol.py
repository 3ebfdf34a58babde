# SPDX-License-Identifier: Apache-2.0
"""The routes of workers one by one: what a token may do, what arrives twice, and what an archive may hold."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput
from data.settings import as_dict
from labeling.accounts.gate import Gate
from rlhf.jobs.archive import unpack
from rlhf.jobs.results import RESULT
from rlhf.pages.jobs.routes import routes
from rlhf.settings import SFTSettings

PARENT = {"kind": "sft", "parent_id": 1, "snapshot_id": None, "config": {}, "seed": 0, "versions": {}}


@pytest.fixture
def client(unsupervised):
    return TestClient(Gate(Starlette(routes=routes(unsupervised)), unsupervised))


@pytest.fixture
def jobs(unsupervised, client):
    """claim(name) -> the number of a run on that node, and the headers of its token."""

    def claim(name: str) -> tuple[int, dict[str, str]]:
        settings = as_dict(SFTSettings(launcher="worker", from_="p1", judge_pairs=0))
        unsupervised.runs.enqueue("sft", settings, "rae")
        worker = bearer(unsupervised.worker_tokens.issue_for_worker(name))
        given = client.post(
            "/api/v1/jobs/claim", json={"claim": f"claim-of-{name}", "node": name}, headers=worker
        ).json()
        return given["run"], bearer(given["token"])

    return claim


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def archive(*members: tuple[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    """Return a tar file with these members, and links of these names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return buffer.getvalue()


def end(base: str, id: str = "p9", **columns) -> bytes:
    """Return the archive of a done run that produced one policy."""
    model = {"id": id, "is_base": False, "columns": PARENT | {"name": "new", "base": base} | columns}
    document = {"state": "done", "error": None, "report": {"rows": 3}, "produced": [model]}
    return archive((RESULT, json.dumps(document).encode()), ("models/p9/weights", b"1"))


def test_a_token_of_another_run_is_refused(client, jobs):
    (first, _), (second, token) = jobs("a"), jobs("b")
    answer = client.post(f"/api/v1/jobs/{first}/report", json={}, headers=token)
    assert (answer.status_code, answer.json()["error"]) == (403, "this token is not of run1")
    assert client.post(f"/api/v1/jobs/{second}/report", json={}, headers=token).status_code == 200


@pytest.mark.parametrize("kind", ["none", "unknown", "account"])
def test_who_has_no_token_of_a_worker_gets_401(client, jobs, unsupervised, kind):
    run, _ = jobs("a")
    ada = unsupervised.accounts.add("Ada", "researcher")
    token = {"unknown": "x", "account": unsupervised.tokens.issue("api", ada.id, 600)}.get(kind)
    for path in ("claim", f"{run}/report", f"{run}/end", f"{run}/checkpoint"):
        headers = bearer(token) if token else {}
        assert client.post(f"/api/v1/jobs/{path}", json={}, headers=headers).status_code == 401
    assert client.get(f"/api/v1/jobs/{run}/bundle", headers=headers).status_code == 401


def test_a_worker_s_token_enters_nothing_else(client, jobs, unsupervised):
    run, token = jobs("a")
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    assert client.post(f"/api/v1/jobs/{run}/report", json={}, headers=worker).status_code == 403
    for headers in (token, worker):
        assert client.get("/api/v1/export", headers=headers).status_code == 401
        assert client.post("/api/v1/next", headers=headers).status_code == 401


def test_a_new_token_of_a_worker_replaces_the_old_one(client, unsupervised):
    old, new = (unsupervised.worker_tokens.issue_for_worker("a") for _ in range(2))
    asked = {"claim": "claim-001", "node": "a"}
    status = [client.post("/api/v1/jobs/claim", json=asked, headers=bearer(token)).status_code for token in (old, new)]
    assert status == [401, 200]


def test_a_repeated_claim_gets_the_same_run_and_another_one_the_next(client, jobs, unsupervised):
    first, old = jobs("a")
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    again = client.post("/api/v1/jobs/claim", json={"claim": "claim-of-a", "node": "a"}, headers=worker).json()
    assert again["run"] == first
    assert client.post(f"/api/v1/jobs/{first}/report", json={}, headers=old).status_code == 401
    other = {"claim": "claim-other", "node": "a"}
    assert client.post("/api/v1/jobs/claim", json=other, headers=worker).json() == {"run": None}


def test_a_report_that_arrives_twice_is_written_once(client, jobs, unsupervised):
    run, token = jobs("a")
    log = base64.b64encode(b"one\ntwo\n").decode()
    values = [[1, "loss", 1, 0.5], [2, "loss", 2, None], [3, "kl", 1, "inf"]]
    report = {"values": values, "samples": [[1, 1, '{"text": "hi"}']], "log": log, "progress": [1, 4, "steps"]}
    answers = [client.post(f"/api/v1/jobs/{run}/report", json=report, headers=token).json() for _ in range(2)]
    assert answers == [{"cancel": False, "arrived": {"metrics": 3, "samples": 1, "log": 8}}] * 2
    assert unsupervised.metrics.series(run, "kl") == [(1, float("inf"))]
    assert unsupervised.metrics.count(run) == 3
    assert unsupervised.metrics.samples(run) == [{"step": 1, "text": "hi"}]
    assert (unsupervised.home / "runs" / str(run) / "log.txt").read_text() == "one\ntwo\n"
    assert (unsupervised.runs.get(run).done, unsupervised.runs.get(run).note) == (1, "steps")


def test_an_overlapping_log_is_appended_where_it_goes_on(client, jobs, unsupervised):
    run, token = jobs("a")
    for start, text in ((0, b"one\n"), (2, b"e\ntwo\n"), (20, b"never")):
        report = {"log": base64.b64encode(text).decode(), "log_start": start}
        arrived = client.post(f"/api/v1/jobs/{run}/report", json=report, headers=token).json()["arrived"]["log"]
    assert arrived == 8
    assert (unsupervised.home / "runs" / str(run) / "log.txt").read_text() == "one\ntwo\n"


def test_the_answer_to_a_report_says_that_the_run_is_cancelled(client, jobs, unsupervised):
    run, token = jobs("a")
    unsupervised.runs.request_cancel(run)
    assert client.post(f"/api/v1/jobs/{run}/report", json={}, headers=token).json()["cancel"] is True


def test_an_end_that_arrives_twice_is_published_once(client, jobs, unsupervised):
    run, token = jobs("a")
    body = end(unsupervised.policies.get(1).base)
    answers = [client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 410]
    assert answers[0].json() == {"status": "done", "produced": ["p2"]}
    assert [policy.public for policy in unsupervised.policies.all()] == ["p1", "p2"]
    assert (unsupervised.home / "policies/p2/weights").read_text() == "1"
    assert unsupervised.runs.get(run).report == {"rows": 3}
    assert client.post(f"/api/v1/jobs/{run}/report", json={}, headers=token).status_code == 410


def test_an_end_that_breaks_off_changes_nothing(client, jobs, unsupervised):
    run, token = jobs("a")
    body = end(unsupervised.policies.get(1).base)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body[:700], headers=token).status_code == 400
    assert (unsupervised.runs.get(run).state, unsupervised.policies.count()) == ("running", 1)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 200


@pytest.mark.parametrize("foreign", [{"parent_id": 7}, {"base": "/etc"}, {"snapshot_id": 3}, {"reward_model_id": 1}])
def test_a_result_that_names_what_its_run_was_not_given_is_refused(client, jobs, unsupervised, foreign):
    run, token = jobs("a")
    body = end(**{"base": unsupervised.policies.get(1).base} | foreign)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 409
    assert (unsupervised.runs.get(run).state, unsupervised.policies.count()) == ("running", 1)


@pytest.mark.parametrize("id", ["../../../policies/p1", "p9/../../x", "", "s3", "p1\n"])
def test_a_result_with_another_id_than_a_model_s_is_refused(client, jobs, unsupervised, id):
    run, token = jobs("a")
    body = end(unsupervised.policies.get(1).base, id)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 400
    assert (unsupervised.runs.get(run).state, unsupervised.policies.count()) == ("running", 1)


def test_columns_that_no_model_has_are_left_out(client, jobs, unsupervised):
    run, token = jobs("a")
    more = {"created_at": "never", "adapter": "policies/p1", "run_id": 77, "name) VALUES ('x') --": 1}
    body = end(unsupervised.policies.get(1).base, **more)
    assert client.post(f"/api/v1/jobs/{run}/end", content=body, headers=token).status_code == 200
    policy = unsupervised.policies.get(2)
    assert (policy.adapter, policy.run_id, policy.name) == ("policies/p2", run, "new")
    assert policy.created_at > "2026"


def test_a_checkpoint_replaces_the_former_one(client, jobs, unsupervised):
    run, token = jobs("a")
    for name in ("1", "2"):
        body = archive((f"checkpoint/checkpoint-{name}/weights", b"w"))
        assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code == 200
    folder = unsupervised.home / "runs" / str(run)
    assert [path.name for path in folder.iterdir()] == ["checkpoint"]
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["checkpoint-2"]


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "checkpoint/../../out", "other/out", "checkpoint\\..\\out"])
def test_a_member_outside_its_place_is_refused_and_not_written(tmp_path: Path, name):
    (tmp_path / "in").mkdir()
    file = tmp_path / "archive.tar"
    file.write_bytes(archive((name, b"x")))
    with pytest.raises(BadInput, match="does not belong there"):
        unpack(file, tmp_path / "in", ("checkpoint",))
    assert list((tmp_path / "in").rglob("*")) == []


def test_a_link_is_refused(tmp_path: Path):
    file = tmp_path / "archive.tar"
    file.write_bytes(archive(links=("checkpoint/link",)))
    with pytest.raises(BadInput, match="does not belong there"):
        unpack(file, tmp_path / "in", ("checkpoint",))


def test_an_archive_with_too_many_files_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("rlhf.jobs.archive.UPLOAD_FILES", 2)
    file = tmp_path / "archive.tar"
    file.write_bytes(archive(*((f"checkpoint/{number}", b"") for number in range(3))))
    with pytest.raises(BadInput, match="more than 2 files"):
        unpack(file, tmp_path / "in", ("checkpoint",))

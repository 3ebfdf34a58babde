# SPDX-License-Identifier: Apache-2.0
"""The routes of workers one by one: what a token may do, what arrives twice, and what an archive may hold."""

from __future__ import annotations

import base64
import errno
from pathlib import Path

import pytest

from data.errors import BadInput
from data.settings import as_dict
from rlhf.jobs.archive import unpack
from rlhf.settings import SFTSettings
from tests.support.jobs.requests import archive, bearer, checkpoint, claim, end


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
    asked = claim("claim-001", "a")
    status = [client.post("/api/v1/jobs/claim", json=asked, headers=bearer(token)).status_code for token in (old, new)]
    assert status == [401, 200]


def test_a_repeated_claim_gets_the_same_run_and_another_one_the_next(client, jobs, unsupervised):
    first, old = jobs("a")
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    again = client.post("/api/v1/jobs/claim", json=claim("claim-of-a", "a"), headers=worker).json()
    assert again["run"] == first
    assert client.post(f"/api/v1/jobs/{first}/report", json={}, headers=old).status_code == 401
    other = claim("claim-other", "a")
    assert client.post("/api/v1/jobs/claim", json=other, headers=worker).json() == {"run": None}


def test_a_repeated_claim_is_a_sign_of_life(client, jobs, unsupervised):
    run, _ = jobs("a")
    unsupervised.execute("UPDATE runs SET heartbeat_at = '2020'")
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    client.post("/api/v1/jobs/claim", json=claim("claim-of-a", "a"), headers=worker)
    assert unsupervised.runs.get(run).heartbeat_at > "2020"


def test_a_token_of_a_run_serves_one_machine(client, unsupervised):
    run = unsupervised.runs.enqueue("sft", as_dict(SFTSettings(launcher="ray", from_="p1")), "rae").id
    token = bearer(unsupervised.worker_tokens.issue_for_run(run))
    answers = [
        client.post("/api/v1/jobs/claim", json=claim(name, node), headers=token)
        for name, node in (("claim-one", "a"), ("claim-one", "a"), ("claim-two", "b"))
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert (answers[1].json()["run"], unsupervised.runs.get(run).node) == (run, "a")


def test_a_worker_of_another_version_gets_no_run(client, jobs, unsupervised):
    worker = bearer(unsupervised.worker_tokens.issue_for_worker("a"))
    settings = as_dict(SFTSettings(launcher="worker", from_="p1"))
    run = unsupervised.runs.enqueue("sft", settings, "rae").id
    asked = claim("claim-old", "a") | {"version": "0.0.1"}
    answer = client.post("/api/v1/jobs/claim", json=asked, headers=worker)
    assert (answer.status_code, "and the worker 0.0.1" in answer.json()["error"]) == (409, True)
    assert unsupervised.runs.get(run).state == "queued"


@pytest.mark.parametrize("path", ["report", "checkpoint", "end"])
def test_a_lost_run_runs_again_when_its_worker_is_heard(client, jobs, unsupervised, path):
    run, token = jobs("a")
    unsupervised.runs.finish(run, "lost", error="silent")
    bodies = {"checkpoint": checkpoint(("1", b"w")), "end": end(unsupervised.policies.get(1).base)}
    answer = client.post(f"/api/v1/jobs/{run}/{path}", content=bodies.get(path, b"{}"), headers=token)
    ended = unsupervised.runs.get(run)
    assert (answer.status_code, ended.state, ended.error) == (200, "done" if path == "end" else "running", None)


@pytest.mark.parametrize("path", ["report", "checkpoint", "end"])
def test_a_lost_run_that_another_one_resumes_stays_lost(client, jobs, unsupervised, path):
    run, token = jobs("a")
    unsupervised.runs.finish(run, "lost", error="silent")
    unsupervised.runs.enqueue("sft", {}, "rae", resumes=run)
    answer = client.post(f"/api/v1/jobs/{run}/{path}", headers=token)
    assert (answer.status_code, unsupervised.runs.get(run).state) == (410, "lost")


def test_a_run_whose_adapter_is_gone_fails_with_that_line(client, jobs, unsupervised):
    run, token = jobs("a")
    unsupervised.execute("UPDATE policies SET adapter = 'policies/p1'")
    assert client.get(f"/api/v1/jobs/{run}/bundle", headers=token).status_code == 410
    ended = unsupervised.runs.get(run)
    assert (ended.state, ended.error[:48]) == ("failed", "the folder 'policies/p1' is not on the server. R")


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


def test_a_report_without_news_writes_nothing_but_a_heartbeat_now_and_then(client, jobs, unsupervised):
    run, token = jobs("a")
    report = {"usage": {"ram_mb": 5.0}}
    client.post(f"/api/v1/jobs/{run}/report", json=report, headers=token)
    before = [file.stat().st_mtime_ns for file in sorted(unsupervised.home.glob("*.db*"))]
    client.post(f"/api/v1/jobs/{run}/report", json=report, headers=token)
    assert [file.stat().st_mtime_ns for file in sorted(unsupervised.home.glob("*.db*"))] == before
    unsupervised.execute("UPDATE runs SET heartbeat_at = '2020'")
    client.post(f"/api/v1/jobs/{run}/report", json=report, headers=token)
    assert unsupervised.runs.get(run).heartbeat_at > "2020"


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
    assert answers[1].json()["ended"] == {"status": "done", "produced": ["p2"], "error": None}
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


def test_a_checkpoint_replaces_the_former_one(client, jobs, unsupervised):
    run, token = jobs("a")
    for name in ("1", "2"):
        body = checkpoint((f"checkpoint-{name}/weights", b"w"))
        assert client.post(f"/api/v1/jobs/{run}/checkpoint", content=body, headers=token).status_code == 200
    folder = unsupervised.home / "runs" / str(run)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "checkpoint.json"]
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["checkpoint-2"]


@pytest.mark.parametrize("path", ["checkpoint", "end"])
def test_a_full_disk_is_no_fault_of_the_archive(client, jobs, unsupervised, monkeypatch, path):
    run, token = jobs("a")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tarfile.TarFile.extract", fail)
    body = checkpoint(("1", b"w")) if path == "checkpoint" else end(unsupervised.policies.get(1).base)
    assert client.post(f"/api/v1/jobs/{run}/{path}", content=body, headers=token).status_code == 507
    assert unsupervised.runs.get(run).state == "running"


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

# SPDX-License-Identifier: Apache-2.0
"""/metrics: off by default, for researchers' tokens, with figures that agree with the store."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from data.clock import later
from data.sqlite.sql import Sql
from data.transfer.scheduled_backups import ScheduledBackups
from labeling.http.metrics import ServerMetrics, StoreGauges
from labeling.http.observation import AnsweredRequest
from labeling.http.proxy import ServedAddress
from labeling.session import Answer, Session
from rlhf.pages.site import compose_site


def read(text: str) -> dict[str, float]:
    """Return each sample by its name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def token(store) -> str:
    return store.tokens.issue("api", store.accounts.add("rae", "researcher").id, 600)


def test_without_the_option_there_is_no_such_route(store, token):
    client = TestClient(compose_site(store))
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 404


def test_a_scrape_agrees_with_the_store(store, token, add_pairs, tmp_path):
    add_pairs(5)
    session = Session(store, store.accounts.add("lab", "labeler"))
    session.submit(Answer("answer-one", session.next().assignment, "left"))
    session.next()
    store.execute("UPDATE assignments SET expires_at = '2020' WHERE done = 0")
    store.runs.enqueue("sample", {}, "rae")
    metrics = ServerMetrics(store, ScheduledBackups(store, tmp_path / "copies", 60, 1))
    client = TestClient(compose_site(store, metrics=metrics, observers=[metrics.observe], address=ServedAddress("/pl")))
    client.get("/pl/healthz")
    client.get("/pl/label/no/such/page", headers={"authorization": f"Bearer {token}"})
    answer = client.get("/pl/metrics", headers={"authorization": f"Bearer {token}"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = read(answer.text)
    assert values["preference_loop_queue_items['Standard']"] == 4
    assert values["preference_loop_labels_last_minute[]"] == 1
    assert values["preference_loop_leases_expired_last_hour[]"] == 0
    assert values["preference_loop_runs['queued']"] == 1
    assert values["preference_loop_runs['failed']"] == 0
    assert values["preference_loop_run_progress_age_seconds[]"] == 0
    assert values["preference_loop_requests_total['/healthz', '200', 'GET']"] == 1
    assert values["preference_loop_request_seconds_count['/healthz']"] == 1
    assert values["preference_loop_backup_age_seconds[]"] == -1
    assert values["preference_loop_store_bytes[]"] > 100_000
    assert values["preference_loop_disk_free_bytes[]"] > 0


def test_a_lease_that_ended_in_the_last_hour_is_counted(store, add_pairs):
    add_pairs(1)
    Session(store, store.accounts.add("lab", "labeler")).next()
    store.execute("UPDATE assignments SET expires_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '-5 minutes')")
    assert read(ServerMetrics(store).render().decode())["preference_loop_leases_expired_last_hour[]"] == 1


def test_a_run_without_progress_grows_old(store):
    store.runs.start(store.runs.enqueue("sample", {}, "rae").id, 1, 0.0, "")
    store.execute("UPDATE runs SET progress_at = ?, started_at = '2020'", [later(-720)])
    age = read(ServerMetrics(store).render().decode())["preference_loop_run_progress_age_seconds[]"]
    assert age == pytest.approx(720, abs=30)


def test_a_request_reads_nothing_and_scrapes_share_one_reading(store, monkeypatch):
    metrics = ServerMetrics(store)
    statements: list[str] = []
    stream = Sql.stream
    monkeypatch.setattr(Sql, "stream", lambda self, sql, *more: statements.append(sql) or stream(self, sql, *more))
    for _ in range(100):
        metrics.observe(AnsweredRequest("POST", "/label/do/answer", 200, 0.01, 1))
    assert statements == []
    first = metrics.render()
    count = len(statements)
    assert (count > 0, bool(metrics.render()), len(statements)) == (True, True, count)
    assert read(first.decode())["preference_loop_requests_total['/label/do', '200', 'POST']"] == 100


def test_the_gauges_use_indexes(store):
    from labeling.http import metrics

    queries = {metrics.QUEUE: [], metrics.LABELS: ["2026"], metrics.EXPIRED: ["2026", "2027"]}
    for query, values in queries.items():
        plan = [row["detail"] for row in store.rows(f"EXPLAIN QUERY PLAN {query}", values)]
        assert not [step for step in plan if step.startswith("SCAN") and step.split()[1] in ("q", "t", "comparisons")]
    assert StoreGauges(store, None).families == []

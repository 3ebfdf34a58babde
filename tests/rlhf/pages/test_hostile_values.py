# SPDX-License-Identifier: Apache-2.0
"""No value that a signed-in person sends is a fault of the server: bodies, forms, paths and calls are checked once."""

from __future__ import annotations

import errno
import json

import pytest
from starlette.testclient import TestClient

from data.logs import LOG
from labeling.accounts.sign_in import COOKIE
from labeling.page.actions import VERBS
from rlhf.common import locks
from rlhf.pages import upload
from rlhf.pages.site import compose_site
from tests.support.data.stores import new_store

CALL = "/train/gradio_api/run/predict"
HOSTILE = {
    "surrogate": r'"\ud800"',
    "NUL": r'"a\u0000b"',
    "NaN": "NaN",
    "infinite": "1e400",
    "65 bits": "9223372036854775808",
    "400 digits": "1" * 400,
    "5,000 digits": "1" * 5_000,
    "deep": "[" * 60 + "]" * 60,
    "doubled": '{"a": 1, "a": 2}',
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store and site for all tests: none of them may leave anything that harms the next one."""
    store = new_store(tmp_path_factory.mktemp("home"))
    store.accounts.add("Ada", "researcher")
    yield store
    store.close()


@pytest.fixture(scope="module")
def site(store):
    return compose_site(store)


@pytest.fixture
def handlers(site):
    """The handlers of the researcher's pages by number."""
    return next(route.app.get_blocks() for route in site.app.app.routes if getattr(route, "path", "") == "/train").fns


@pytest.fixture
def client(store, site):
    """Ada's client: a researcher may send everything."""
    token = store.tokens.issue("session", store.accounts.by_name("Ada").id, 600)
    api = store.tokens.issue("api", store.accounts.by_name("Ada").id, 600)
    with TestClient(
        site,
        base_url="http://127.0.0.1",
        cookies={COOKIE: token},
        headers={"authorization": f"Bearer {api}"},
        raise_server_exceptions=False,
    ) as client:
        yield client


def test_a_hostile_value_in_a_body_is_refused_by_every_route_and_verb(client):
    paths = [*(f"/label/do/{verb}" for verb in VERBS), "/api/v1/next", "/api/v1/submit", "/api/v1/skip", CALL]
    for path in paths:
        for value in HOSTILE.values():
            body = f'{{"before": {value}, "id": 1, "data": [{value}], "answer": {{"id": [{value}]}}, "fn_index": 0}}'
            answer = client.post(path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 400, (path, body[:200], answer.text)
            assert answer.json()["remedy"]


def test_a_row_that_is_no_number_of_the_store_is_refused(client):
    for row in ("9" * 30, "1" * 5_000, "²", "-1", "", "1e3", b"\xed\xa0\x80"):
        rating, answer = {"row": row, "score": "5"}, {"prompt": row, "text": "a"}
        assert client.post("/label/rate", data=rating | {"id": "0" * 16}).status_code == 400
        assert client.post("/label/write", data=answer | {"id": "0" * 16}).status_code == 400
        assert client.get("/label/write", params={"after": row}).status_code == 200


def test_a_file_that_does_not_exist_is_404_however_it_is_named(client):
    for name in ("a" * 5_000, "%00", "..%2Ffeedback.db", "한" * 300):
        assert client.get(f"/train/exports/{name}").status_code == 404


def test_a_call_that_no_handler_could_take_is_refused(client):
    for body in (
        {},
        [],
        {"fn_index": 10**6, "data": []},
        {"fn_index": -1, "data": []},
        {"fn_index": "0", "data": []},
        {"fn_index": True, "data": []},
        {"fn_index": 0, "data": "aaaa"},
        {"fn_index": 0, "data": [0] * 500},
    ):
        assert client.post(CALL, json=body).status_code == 400


@pytest.fixture
def unsupervised(store):
    """The store, whose queued runs nobody starts."""
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        yield store


@pytest.mark.usefixtures("unsupervised")
def test_failures_of_a_handler_are_one_record_of_the_log(client, handlers, monkeypatch, caplog, capfd):
    monkeypatch.setattr(LOG, "filters", [])
    monkeypatch.setattr("rlhf.runs.supervisor.ensure", lambda home: None)
    monkeypatch.setattr("rlhf.pages.data.draw_counts", lambda *_: 1 / 0)
    for number, handler in handlers.items():
        values = [None] * len(handler.inputs)
        client.post(CALL, json={"fn_index": number, "data": values, "session_hash": "a"})
    assert "Traceback" not in capfd.readouterr().err
    assert any("a handler of the pages failed" in record.getMessage() for record in caplog.records)


@pytest.mark.usefixtures("unsupervised")
def test_a_call_with_values_of_the_wrong_type_is_never_a_failure_of_the_server(client, handlers, monkeypatch):
    monkeypatch.setattr("rlhf.runs.supervisor.ensure", lambda home: None)
    statuses = set()
    for value in ({"a": [1]}, [["x"]], 7, "\u202e", '{"ppo": 7}', True):
        for number, handler in handlers.items():
            values = [value] * len(handler.inputs)
            answer = client.post(CALL, json={"fn_index": number, "data": values, "session_hash": "a"})
            statuses.add((answer.status_code, handler.name if answer.status_code == 500 else ""))
    assert statuses == {(200, ""), (400, "")}


@pytest.mark.usefixtures("unsupervised")
def test_a_failure_of_a_handler_is_a_failure_of_the_server(client, handlers, monkeypatch):
    monkeypatch.setattr("rlhf.pages.data.draw_counts", lambda *_: 1 / 0)
    statuses = {
        client.post(CALL, json={"fn_index": number, "data": [None] * 5, "session_hash": "a"}).status_code
        for number, handler in handlers.items()
        if handler.fn and handler.fn.__qualname__ == "DataPage.refresh"
    }
    assert statuses == {500}


def test_a_name_of_a_file_fits_the_file_system():
    assert len(upload.clean("한" * 200 + ".jsonl").encode()) <= 200
    assert upload.clean("한" * 200 + ".jsonl").endswith("한.jsonl")


ROW = json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"})


def test_another_import_that_runs_is_a_conflict_with_a_time_to_come_again(store, client):
    with store.imports.exclusive():
        answer = client.post("/api/v1/import?as=preferences", content=ROW)
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "10")
    assert client.post("/api/v1/import?as=preferences", content=ROW).status_code == 200


def test_a_body_that_does_not_fit_the_disk_is_507(client, monkeypatch):
    async def full(request, limit):
        yield b"{"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("labeling.http.bodies.read_parts", full)
    for path in ("/api/v1/import?as=preferences", "/train/data/upload?name=a.jsonl"):
        answer = client.post(path, content=ROW)
        assert (answer.status_code, "No space left" in answer.json()["error"]) == (507, True)


def test_a_disk_that_is_full_anywhere_is_507(store, client, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("labeling.api.files.export_rows", full)
    assert client.get("/api/v1/export?what=preferences").status_code == 507
    monkeypatch.setattr("labeling.rating.page.draw", full)
    assert client.get("/label/rate").status_code == 507

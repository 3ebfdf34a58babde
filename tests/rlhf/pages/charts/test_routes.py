# SPDX-License-Identifier: Apache-2.0
"""GET /train/metrics and the files below /train/charts: for researchers, under a root path too, from this server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from data.store import Store
from labeling.accounts.sign_in import COOKIE
from labeling.http.proxy import ServedAddress
from rlhf.pages.charts.routes import FOLDER
from rlhf.pages.site import compose_site

ROOT = "/under/here"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    """Two runs with a curve each."""
    store = Store(tmp_path_factory.mktemp("charts"))
    for _ in range(2):
        store.metrics.log(store.runs.enqueue("ppo", {}, "rae").id, 1, {"reward": 0.5})
    yield store
    store.close()


@pytest.fixture(scope="module")
def client_of(store) -> Callable[[str], TestClient]:
    """client_of(role) -> a client of the site under a root path, signed in with that role."""
    site = compose_site(store, address=ServedAddress(ROOT))

    def sign_in(role: str) -> TestClient:
        account = store.accounts.by_name(role) or store.accounts.add(role, role)
        cookies = {COOKIE: store.tokens.issue("session", account.id, 600)}
        return TestClient(site, base_url=f"http://127.0.0.1{ROOT}/train/", cookies=cookies)

    return sign_in


def test_a_researcher_reads_the_curves_of_several_runs_in_one_packed_answer(client_of):
    client = client_of("researcher")
    answer = client.get("metrics", params={"runs": "run1,run2"}, headers={"accept-language": "ko"})
    assert answer.headers["content-encoding"] == "gzip"
    assert [run["series"]["reward"]["values"] for run in answer.json()["runs"]] == [[0.5], [0.5]]
    assert answer.json()["texts"]["log_scale"] == "로그 눈금"


def test_a_run_that_does_not_exist_is_named_in_the_reader_s_language(client_of):
    answer = client_of("researcher").get("metrics?runs=run7", headers={"accept-language": "ko"})
    assert (answer.status_code, answer.json()["error"]) == (409, "run7 실행이 없습니다. 표에서 고르세요.")


def test_a_labeler_gets_neither_curves_nor_files(client_of):
    client = client_of("labeler")
    assert [client.get(path).status_code for path in ("metrics?runs=run1", "charts/uplot/uPlot.min.css")] == [403, 403]


def test_files_are_asked_for_again_before_each_use(client_of):
    client = client_of("researcher")
    answer = client.get("charts/uplot/uPlot.min.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    again = client.get("charts/uplot/uPlot.min.css", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("charts/..%2froutes.py").status_code == 404


def test_the_library_is_the_released_one():
    readme = (FOLDER / "uplot" / "README.md").read_text()
    rows = re.findall(r"\| `([\w.]+)` \| ([0-9a-f]{64}) \|", readme)
    assert len(rows) == 3
    for name, released in rows:
        assert hashlib.sha256((FOLDER / "uplot" / name).read_bytes()).hexdigest() == released

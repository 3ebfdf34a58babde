# SPDX-License-Identifier: Apache-2.0
"""The gate: who comes in where, and what a request must look like. Real app behind it, real store, no browser."""

from __future__ import annotations

import re
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlite_utils.utils import sqlite3
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from data.errors import BadInput
from data.version import __version__
from labeling.accounts import accounts
from labeling.accounts.gate import Gate
from labeling.accounts.rate_limit import WINDOW, RateLimit
from labeling.accounts.sign_in import ADDRESS_ATTEMPTS, COOKIE, NAME_ATTEMPTS
from labeling.http.requests import get_account

PASSWORD = "correct horse"
HASH = accounts.hash_password(PASSWORD)


@pytest.fixture
def people(store):
    store.accounts.add("Mina", "labeler", password_hash=HASH)
    store.accounts.add("Ada", "researcher", password_hash=HASH)


@pytest.fixture
def enter(client, people, store):
    """enter(name): carry a session of that account, without the slow password."""

    def enter(name):
        client.cookies.clear()
        client.cookies.set(COOKIE, store.tokens.issue("session", store.accounts.by_name(name).id, 60))

    return enter


@pytest.fixture
def client(store):
    def hello(request):
        return JSONResponse(
            {"user": get_account(request).name}, headers={"access-control-allow-origin": "https://evil.example"}
        )

    inner = Starlette(routes=[Route("/{rest:path}", hello, methods=["GET", "POST"])])
    with TestClient(Gate(inner, store), follow_redirects=False) as client:
        yield client


def sign_in(client, name, password=PASSWORD, **more):
    return client.post("/login", data={"name": name, "password": password, **more})


def test_health_is_open_and_says_nothing_else(client):
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


@pytest.mark.parametrize("path", ["/label", "/label/", "/train/runs", "/label/gradio_api/info", "/api/v1/next"])
def test_without_a_session_nothing_is_served(client, people, path):
    assert client.get(path).status_code == 401


def test_a_page_request_is_sent_to_the_sign_in_and_back(client, people):
    answer = client.get("/train/runs", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/train/runs")
    page = client.get(answer.headers["location"])
    after = re.search(r'name=next value="([^"]*)"', page.text)[1]
    assert sign_in(client, "Ada", next=after).headers["location"] == "/train/runs"
    assert client.get("/train/runs").json() == {"user": "Ada"}


@pytest.mark.parametrize(
    "after", ["https://evil.example", "//evil.example", "/label/../..//evil.example", "/\\evil.example", ""]
)
def test_the_sign_in_leads_to_no_other_site(client, people, after):
    assert sign_in(client, "Ada", next=after).headers["location"] == "/"


def test_each_role_has_its_prefixes(client, enter):
    enter("Mina")
    assert client.get("/label/").json() == {"user": "Mina"}
    assert client.get("/train/").status_code == 403
    enter("Ada")
    assert client.get("/label/").status_code == client.get("/train/").status_code == 200


@pytest.mark.parametrize("path", ["/trainer", "/labels/", "//train/", "/LABEL/", "/gradio_api/info", "/feedback.db"])
def test_a_path_that_nobody_opened_is_closed(client, enter, path):
    enter("Ada")
    assert client.get("http://testserver" + path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/label/gradio_api/upload",
        "/label/gradio_api/file=/etc/passwd",
        "/label/gradio_api/token",
        "/label/login",
        "/label/logout",
        "/label/monitoring/summary",
        "/label/gradio_api/stream/x",
        "/label/gradio_api/queue/join",
        "/label/gradio_api/call/x",
        "/label/gradio_api/run/answer",
        "/label/gradio_api",
        "/label/openapi.json",
    ],
)
def test_routes_that_no_page_needs_are_closed(client, enter, path):
    enter("Mina")
    assert client.get(path).status_code == 403


def test_a_call_that_only_one_page_uses_is_open_there_alone(store, people):
    def hello(request):
        return JSONResponse({})

    inner = Starlette(routes=[Route("/{rest:path}", hello)])
    cookie = {COOKIE: store.tokens.issue("session", store.accounts.by_name("Ada").id, 60)}
    with TestClient(Gate(inner, store, used={"/train": ("upload", "file=")}), cookies=cookie) as client:
        told = [
            client.get(path).status_code
            for path in (
                "/train/gradio_api/upload",
                "/train/gradio_api/file=x",
                "/train/gradio_api/uploads",
                "/label/gradio_api/upload",
                "/label/gradio_api/file=x",
            )
        ]
    assert told == [200, 200, 403, 403, 403]


def test_the_root_leads_to_the_page_of_ones_role(client, enter):
    assert client.get("/").headers["location"] == "/login"
    enter("Mina")
    assert client.get("/").headers["location"] == "/label/"
    enter("Ada")
    assert client.get("/").headers["location"] == "/train/"


def test_the_cookie_is_shut_away_and_secure_under_https_only(client, people):
    cookie = sign_in(client, "Mina").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"max-age={accounts.SESSION_SECONDS}" in cookie
    assert "secure" not in cookie
    answer = client.post("https://testserver/login", data={"name": "Mina", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_session_survives_a_restart(client, people, store):
    sign_in(client, "Mina")
    with TestClient(Gate(client.app.app, store), cookies=dict(client.cookies)) as restarted:
        assert restarted.get("/label/").json() == {"user": "Mina"}


def test_signing_out_ends_this_session_only(client, enter, store):
    enter("Mina")
    first = client.cookies[COOKIE]
    enter("Mina")
    second = client.cookies[COOKIE]
    assert client.get("/logout").status_code == 404
    assert f'{COOKIE}=""; ' in client.post("/logout").headers["set-cookie"]
    assert store.tokens.find(second, "session") is None
    assert store.tokens.find(first, "session").name == "Mina"


def test_a_closed_account_is_out_at_once(client, people, store):
    sign_in(client, "mina")
    assert client.get("/label/").status_code == 200
    store.accounts.disable("Mina")
    assert client.get("/label/").status_code == 401
    assert sign_in(client, "Mina").status_code == 401


def test_a_session_cookie_opens_no_api_and_an_api_token_no_page(client, enter, store):
    enter("Mina")
    assert client.post("/api/v1/next").status_code == 401
    token = store.tokens.issue("api", store.accounts.by_name("Mina").id, None)
    assert client.post("/api/v1/next", headers={"authorization": f"Bearer {token}"}).json() == {"user": "Mina"}
    client.cookies.clear()
    client.cookies.set(COOKIE, token)
    assert client.get("/label/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:81"},
    ],
)
def test_another_site_cannot_post(client, enter, headers):
    enter("Mina")
    for path in ("/label/gradio_api/run/predict", "/login", "/logout"):
        assert client.post(path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://testserver"}, {}]
)
def test_ones_own_page_can_post(client, enter, headers):
    enter("Mina")
    assert client.post("/label/gradio_api/run/predict", headers=headers).status_code == 200


def test_every_answer_carries_the_safety_headers_and_no_permission_for_others(client, enter):
    enter("Mina")
    for answer in (client.get("/label/"), client.get("/login"), client.get("/nothing")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_wrong_passwords_have_to_wait_for_that_name_from_any_address(client, people):
    for number in range(NAME_ATTEMPTS):
        client._transport.client = (f"10.0.0.{number}", 1)
        assert sign_in(client, "Mina", "wrong").status_code == 401
    answer = sign_in(client, "mina")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW
    assert sign_in(client, "Ada").status_code == 303


def test_an_address_that_guesses_at_many_names_has_to_wait_though_one_of_them_is_its_own(client, people, monkeypatch):
    monkeypatch.setattr(accounts, "verify_password", lambda password, stored: password == PASSWORD)
    for number in range(ADDRESS_ATTEMPTS):
        assert sign_in(client, f"name {number}", "wrong").status_code == 401
        if number < ADDRESS_ATTEMPTS - 1:
            assert sign_in(client, "Mina").status_code == 303
    assert sign_in(client, "Ada").status_code == 429


def test_attempts_at_once_are_counted_before_they_are_checked(client, people):
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: sign_in(client, "Mina", "wrong").status_code, range(12)))
    assert (told.count(401), told.count(429)) == (NAME_ATTEMPTS, 12 - NAME_ATTEMPTS)


def test_failures_are_forgotten_after_the_window_and_with_a_success():
    moment = [0.0]
    rate_limit = RateLimit(lambda: moment[0])
    for _ in range(3):
        assert rate_limit.seconds_to_wait("Mina", 3) == 0
        rate_limit.record_failure("Mina", "here")
    assert rate_limit.seconds_to_wait("Mina", 3) == WINDOW
    assert rate_limit.seconds_to_wait("Jun", 3) == 0
    moment[0] = WINDOW + 1
    assert rate_limit.seconds_to_wait("Mina", 3) == 0
    rate_limit.record_failure("Mina", "here")
    rate_limit.record_success("Mina", "here")
    assert "Mina" not in rate_limit.failures
    assert len(rate_limit.failures["here"]) == 3


def test_the_sign_in_page_speaks_the_readers_language_and_asks_no_other_host(client):
    english, korean = (
        client.get("/login", headers={"accept-language": tag}).text for tag in ("en-US,en", "ko-KR,ko;q=0.9,en;q=0.8")
    )
    assert "<html lang=en>" in english
    assert "<html lang=ko>" in korean
    assert "로그인" in korean
    assert "http" not in english.replace("http-equiv", "")


def test_what_was_typed_is_shown_again_as_text(client, people):
    answer = sign_in(client, '"><script>alert(1)</script>', "wrong")
    assert "<script>" not in answer.text


def test_the_first_link_makes_one_researcher_and_is_gone(client, store):
    path = accounts.issue_first_link(store)
    token = path.partition("token=")[2]
    assert client.get(path).status_code == 200
    refused = client.post("/first", data={"token": token, "name": "Ada", "password": "short"})
    assert (refused.status_code, "The password has 5 characters. Use at least 8." in refused.text) == (
        400,
        True,
    )
    assert "At least 8 characters" not in refused.text
    refused = client.post("/first", data={"token": token, "name": " ", "password": PASSWORD})
    assert "A name has 1 to 40 characters" in refused.text
    assert "At least 8 characters" in refused.text
    answer = client.post("/first", data={"token": token, "name": "Ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/train/")
    assert client.get("/train/").json() == {"user": "Ada"}
    assert client.get(path).status_code == 410
    assert client.post("/first", data={"token": token, "name": "Eve", "password": PASSWORD}).status_code == 410
    assert accounts.issue_first_link(store) is None


@pytest.fixture
def full_disk(store):
    """full_disk(): no file of this process may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, ignored)


def test_on_a_full_disk_the_first_account_is_told_why_and_the_link_stays_good(client, store, full_disk):
    token = accounts.issue_first_link(store).partition("token=")[2]
    full_disk()
    refused = client.post(
        "/first", data={"token": token, "name": "Ada", "password": PASSWORD}, headers={"accept": "text/html"}
    )
    assert refused.status_code == 507
    assert "Free some space" in refused.text
    assert accounts.is_first_link_valid(store, token)
    assert store.accounts.all() == []


def held(store):
    """The store's file with its write lock in another program's hand."""
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_while_another_program_holds_the_store_the_doors_say_when_to_try_again(client, enter, store, monkeypatch):
    monkeypatch.setattr("data.sqlite.connection.WAIT_SECONDS", 0.05)
    enter("Mina")
    with closing(held(store)):
        for headers in ({"accept": "text/html"}, {}):
            answer = client.post("/logout", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "try again" in answer.text
        assert client.get("/label/").status_code == 200
    assert client.post("/logout").status_code == 303


def test_a_form_that_is_too_long_or_none_is_refused_before_it_is_read(client, people):
    assert (
        client.post(
            "/login", content=b"name=" + b"x" * 20_000, headers={"content-type": "application/x-www-form-urlencoded"}
        ).status_code
        == 413
    )
    korean = {"accept": "text/html", "accept-language": "ko", "content-type": "application/x-www-form-urlencoded"}
    told = client.post("/login", content=b"name=" + b"x" * 20_000, headers=korean)
    assert (told.status_code, "보낸 내용이 너무 깁니다" in told.text) == (413, True)
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = client.post("/login", content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, "not a form" in answer.json()["error"]) == (415, True)


@pytest.mark.parametrize("cookie", ["nonsense", "\u00e9", "a" * 5000, "", "%ff%fe"])
def test_a_forged_cookie_is_nobody(client, people, cookie):
    raw = f"{COOKIE}={cookie}".encode()
    assert client.get("/label/", headers=[(b"cookie", raw)]).status_code == 401


def test_a_first_link_is_worthless_once_somebody_can_sign_in(client, store):
    path = accounts.issue_first_link(store)
    accounts.create(store, "Ada", "researcher", PASSWORD)
    assert client.get(path).status_code == 410


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"])
def test_this_machine_may_be_served_without_an_account(store, host):
    accounts.check_host(store, host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_are_not_served_without_an_account(store, people, host):
    accounts.check_host(store, host)
    for name in ("Mina", "Ada"):
        store.accounts.disable(name)
    with pytest.raises(BadInput, match=f"--host {re.escape(host)}.*account add"):
        accounts.check_host(store, host)


def test_behind_a_proxy_this_machine_is_open_to_others_too(store):
    with pytest.raises(BadInput, match="--behind-proxy opens the app.*account add"):
        accounts.check_host(store, "127.0.0.1", behind_proxy=True)

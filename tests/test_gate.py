"""The gate: who comes in where, and what a request must look like. Real app behind it, real store, no browser."""

from __future__ import annotations

import re
import resource
import signal

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from data.errors import BadInput
from labeling import accounts
from labeling.gate import COOKIE, Gate, user
from labeling.throttle import ATTEMPTS, WINDOW, Throttle

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
        return JSONResponse({"user": user(request).name}, headers={"access-control-allow-origin": "https://evil.example"})

    inner = Starlette(routes=[Route("/{rest:path}", hello, methods=["GET", "POST"])])
    with TestClient(Gate(inner, store), follow_redirects=False) as client:
        yield client


def sign_in(client, name, password=PASSWORD, **more):
    return client.post("/login", data={"name": name, "password": password, **more})


def test_health_is_open_and_says_nothing_else(client):
    assert client.get("/healthz").json() == {"status": "ok"}


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


@pytest.mark.parametrize("after", ["https://evil.example", "//evil.example", "/label/../..//evil.example", "/\\evil.example", ""])
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
    ["/label/gradio_api/upload", "/label/gradio_api/file=/etc/passwd", "/label/gradio_api/token", "/label/login", "/label/logout",
     "/label/monitoring/summary", "/label/gradio_api/stream/x"],
)  # fmt: skip
def test_routes_that_no_page_needs_are_closed(client, enter, path):
    enter("Mina")
    assert client.get(path).status_code == 403


def test_downloads_are_for_researchers(client, enter):
    enter("Ada")
    assert client.get("/train/gradio_api/file=x").status_code == 200
    assert client.get("/train/gradio_api/upload").status_code == 403


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
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {"origin": "null"},
     {"origin": "http://testserver:81"}],
)  # fmt: skip
def test_another_site_cannot_post(client, enter, headers):
    enter("Mina")
    for path in ("/label/gradio_api/run/answer", "/login", "/logout"):
        assert client.post(path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://testserver"}, {}]
)
def test_ones_own_page_can_post(client, enter, headers):
    enter("Mina")
    assert client.post("/label/gradio_api/run/answer", headers=headers).status_code == 200


def test_every_answer_carries_the_safety_headers_and_no_permission_for_others(client, enter):
    enter("Mina")
    for answer in (client.get("/label/"), client.get("/login"), client.get("/nothing")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_wrong_passwords_have_to_wait(client, people):
    for _ in range(ATTEMPTS):
        assert sign_in(client, "Mina", "wrong").status_code == 401
    answer = sign_in(client, "Mina")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW


def test_failures_are_forgotten_after_the_window_and_with_a_success():
    moment = [0.0]
    throttle = Throttle(lambda: moment[0])
    for _ in range(ATTEMPTS):
        assert throttle.wait("Mina") == 0
        throttle.failed("Mina")
    assert throttle.wait("Mina") == WINDOW
    assert throttle.wait("Jun") == 0
    moment[0] = WINDOW + 1
    assert throttle.wait("Mina") == 0
    throttle.failed("Mina")
    throttle.succeeded("Mina")
    assert throttle.failures == {}


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
    path = accounts.first_link(store)
    token = path.partition("token=")[2]
    assert client.get(path).status_code == 200
    refused = client.post("/first", data={"token": token, "name": "Ada", "password": "short"})
    assert (refused.status_code, "The password has 5 characters. Choose one with at least 8." in refused.text) == (400, True)
    assert "At least 8 characters" not in refused.text
    refused = client.post("/first", data={"token": token, "name": " ", "password": PASSWORD})
    assert "The name needs 1 to 40 characters" in refused.text
    assert "At least 8 characters" in refused.text
    answer = client.post("/first", data={"token": token, "name": "Ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/train/")
    assert client.get("/train/").json() == {"user": "Ada"}
    assert client.get(path).status_code == 410
    assert client.post("/first", data={"token": token, "name": "Eve", "password": PASSWORD}).status_code == 410
    assert accounts.first_link(store) is None


@pytest.fixture
def full_disk(store):
    """full_disk(): no file of this process may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, ignored)


def test_on_a_full_disk_the_first_account_is_told_why_and_the_link_stays_good(client, store, full_disk):
    token = accounts.first_link(store).partition("token=")[2]
    full_disk()
    refused = client.post("/first", data={"token": token, "name": "Ada", "password": PASSWORD}, headers={"accept": "text/html"})
    assert refused.status_code == 507
    assert "Free some space" in refused.text
    assert accounts.first_link_is_good(store, token)
    assert store.accounts.list() == []


def test_a_first_link_is_worthless_once_somebody_can_sign_in(client, store):
    path = accounts.first_link(store)
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

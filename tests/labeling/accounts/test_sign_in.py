# SPDX-License-Identifier: Apache-2.0
"""Sign-in and sign-out: passwords, cookies, waiting times, and the pages in front of the app."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from labeling.accounts import accounts
from labeling.accounts.gate import Gate
from labeling.accounts.rate_limit import WINDOW, RateLimit
from labeling.accounts.sign_in import ADDRESS_ATTEMPTS, COOKIE, NAME_ATTEMPTS
from tests.support.labeling.accounts import PASSWORD, sign_in


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
        message = list(pool.map(lambda _: sign_in(client, "Mina", "wrong").status_code, range(12)))
    assert (message.count(401), message.count(429)) == (NAME_ATTEMPTS, 12 - NAME_ATTEMPTS)


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
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "<script>alert(1)" not in answer.text


def test_a_form_that_is_too_long_or_none_is_refused_before_it_is_read(client, people):
    assert (
        client.post(
            "/login", content=b"name=" + b"x" * 20_000, headers={"content-type": "application/x-www-form-urlencoded"}
        ).status_code
        == 413
    )
    korean = {"accept": "text/html", "accept-language": "ko", "content-type": "application/x-www-form-urlencoded"}
    message = client.post("/login", content=b"name=" + b"x" * 20_000, headers=korean)
    assert (message.status_code, "보낸 내용이 너무 깁니다" in message.text) == (413, True)
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = client.post("/login", content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, "not a form" in answer.json()["error"]) == (415, True)

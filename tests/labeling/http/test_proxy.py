# SPDX-License-Identifier: Apache-2.0
"""Proxy headers: which forwarded headers count, which Host is refused, and paths below a root."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from data.errors import BadInput
from labeling.accounts.gate import Gate
from labeling.http.proxy import ProxyHeaders, ServedAddress, check_root_path
from labeling.http.requests import client_address, path_below_root

FORGED = {
    "x-forwarded-for": "203.0.113.9, 198.51.100.7",
    "x-forwarded-proto": "http, https",
    "x-forwarded-host": "evil.example, labels.example",
    "forwarded": "for=203.0.113.9",
}


async def told(request: Request) -> JSONResponse:
    """What the app behind the entrance believes."""
    url = request.url
    seen = {
        "address": client_address(request),
        "scheme": url.scheme,
        "host": url.netloc,
        "path": path_below_root(request),
    }
    return JSONResponse(seen | {"forwarded": [name for name in request.headers if "forwarded" in name]})


def client(*, base_url="http://testserver", **settings):
    return TestClient(
        ProxyHeaders(Starlette(routes=[Route("/{rest:path}", told)]), ServedAddress(**settings)), base_url=base_url
    )


def test_forwarded_headers_of_a_stranger_change_nothing_and_go_no_further():
    seen = client().get("/label/", headers=FORGED).json()
    assert seen == {"address": "testclient", "scheme": "http", "host": "testserver", "path": "/label/", "forwarded": []}


def test_behind_a_proxy_the_last_value_counts_which_the_proxy_itself_added():
    seen = client(behind_proxy=True).get("/label/", headers=FORGED).json()
    assert seen == {
        "address": "198.51.100.7",
        "scheme": "https",
        "host": "labels.example",
        "path": "/label/",
        "forwarded": [],
    }


@pytest.mark.parametrize(
    ("sent", "below"), [("/pl/label/", "/label/"), ("/label/", "/label/"), ("/pl", "/"), ("/play/", "/play/")]
)
def test_the_root_path_holds_whether_the_proxy_strips_it_or_not(sent, below):
    assert client(root_path="/pl").get(sent).json()["path"] == below


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:80", "127.8.8.8"])
def test_a_server_on_this_machine_answers_to_the_names_of_this_machine(host):
    assert client(loopback_only=True).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "a b", "localhost/x", "localhost@evil.example"],
)
def test_a_server_on_this_machine_answers_to_no_other_name(host):
    answer = client(loopback_only=True).get("/", headers={"host": host})
    assert (answer.status_code, "does not accept this host name" in answer.json()["error"]) == (421, True)


@pytest.mark.parametrize("host", ["a b", "", "x" * 300, "labels.example:port", "user@labels.example"])
def test_a_malformed_host_is_refused_everywhere(host):
    assert client().get("/", headers={"host": host}).status_code == 421


def test_below_a_root_path_sign_in_and_cookie_lead_back_below_it(store):
    from labeling.accounts import accounts

    accounts.create(store, "Mina", "labeler", "correct horse")
    with TestClient(ProxyHeaders(Gate(Starlette(), store), ServedAddress("/pl")), follow_redirects=False) as browser:
        away = browser.get("/pl/label/", headers={"accept": "text/html"})
        assert (away.status_code, away.headers["location"]) == (303, "/pl/login?next=/label/")
        assert "action='login'" in browser.get("/pl/login").text
        back = browser.post("/pl/login", data={"name": "Mina", "password": "correct horse", "next": "/label/"})
        assert (back.status_code, back.headers["location"]) == (303, "/pl/label/")
        assert "; Path=/pl; " in back.headers["set-cookie"]
        assert browser.get("/pl/").headers["location"] == "/pl/label/"
        out = browser.post("/pl/logout")
        assert (out.headers["location"], "; Path=/pl; " in out.headers["set-cookie"]) == ("/pl/login", True)
        assert "href='/pl/login'" in browser.get("/pl/nothing", headers={"accept": "text/html"}).text


@pytest.mark.parametrize(("given", "used"), [("", ""), ("/", ""), ("/pl/", "/pl"), ("/a/b-c", "/a/b-c")])
def test_a_root_path_loses_its_last_slash(given, used):
    assert check_root_path(given) == used


@pytest.mark.parametrize(
    "root", ["pl", "//evil.example", "/a b", "/label", "/train/x", "/pl?x", "/<x>", "https://a.example/pl"]
)
def test_a_root_path_that_cannot_be_one_is_refused(root):
    with pytest.raises(BadInput, match="root path|not a path"):
        check_root_path(root)

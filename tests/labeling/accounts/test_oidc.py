# SPDX-License-Identifier: Apache-2.0
"""Sign-in at an OpenID Connect provider: a small real one on this machine, which signs and checks PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput
from labeling.accounts import management
from labeling.accounts.gate import Gate
from labeling.accounts.oidc import OidcClient, Provider, read_provider
from labeling.accounts.sign_in import COOKIE, STATE
from labeling.http.proxy import ProxyHeaders, ServedAddress

KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})


class Idp:
    """The provider: `claims` overrides what it says of the person, `key` what it signs with."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.issuer = f"http://127.0.0.1:{server.server_port}"
        self.claims: dict = {}
        self.key = KEY
        self.asked: dict[str, str] = {}

    def sign_in(self, address: str) -> str:
        """What the browser does there: the code that comes back."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return f"code={'c' * 20}&state={self.asked['state']}"

    def token(self, form: dict[str, str]) -> dict:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.asked["code_challenge"]
        assert form["redirect_uri"] == self.asked["redirect_uri"]
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "app",
            "sub": "person-1",
            "nonce": self.asked["nonce"],
            "iat": now,
            "exp": now + 300,
            "name": "Mina",
        }
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, **self.claims}, self.key)
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}


@pytest.fixture
def idp() -> Iterator[Idp]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            about = {"issuer": made.issuer, **{name: f"{made.issuer}/{path}" for name, path in places.items()}}
            documents = {
                "/keys": {"keys": [KEY.as_dict(private=False)]},
                "/.well-known/openid-configuration": about,  # OpenID Connect Discovery 1.0, section 4
            }
            if self.path in documents:
                self.tell(documents[self.path])
            else:
                self.send_error(404)

        def do_POST(self):
            assert self.headers["authorization"] == "Basic " + base64.b64encode(b"app:secret").decode()
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            self.tell(made.token({name: values[0] for name, values in parse_qs(raw).items()}))

        def tell(self, document):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Idp(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def browser(store, idp, **settings) -> TestClient:
    provider = Provider(idp.issuer, "app", "secret", "Example ID", **settings)
    return TestClient(
        ProxyHeaders(Gate(Starlette(), store, oidc=OidcClient(provider)), ServedAddress("/pl")), follow_redirects=False
    )


def through(client, idp, query=""):
    """To the provider and back."""
    away = client.get(f"/pl/oidc?{query}")
    assert away.status_code == 303, away.text
    return client.get(f"/pl/oidc/back?{idp.sign_in(away.headers['location'])}")


def test_an_invited_person_signs_in_there_and_is_known_the_next_time_under_any_name(store, idp):
    token = management.invite(store, "researcher").partition("token=")[2]
    with browser(store, idp) as client:
        assert "Sign in with Example ID" in client.get(f"/pl/invite?token={token}").text
        first = through(client, idp, f"invitation={token}")
        assert (first.status_code, first.headers["location"]) == (303, "/pl/train/")
        assert idp.asked["redirect_uri"] == "http://testserver/pl/oidc/back"
        assert (store.accounts.by_name("Mina").role, store.invitations.open_count()) == ("researcher", 0)
        client.cookies.clear()
        idp.claims = {"name": "Mina Kim"}
        assert through(client, idp, "next=/label/").headers["location"] == "/pl/label/"
        assert store.tokens.find(client.cookies[COOKIE], "session").name == "Mina"
    assert len(store.accounts.all()) == 1
    acts = [(act["name"], act["address"], act["action"]) for act in store.audit.all()]
    assert acts[:2] == [("Mina", "testclient", "link identity"), ("Mina", "testclient", "add account")]


def test_a_stranger_gets_in_only_where_the_file_says_so_and_takes_nobodys_name(store, idp):
    store.accounts.add("Mina", "researcher")
    with browser(store, idp) as client:
        answer = through(client, idp)
        assert (answer.status_code, "no account is linked to this identity" in answer.text) == (403, True)
    with browser(store, idp, new_accounts=True) as client:
        assert through(client, idp).headers["location"] == "/pl/label/"
    assert [(account.name, account.role) for account in store.accounts.all()] == [
        ("Mina", "researcher"),
        ("Mina 2", "labeler"),
    ]


def test_a_link_for_an_account_ties_it_to_the_provider_and_a_closed_account_stays_out(store, idp):
    store.accounts.add("Jun", "labeler")
    token = management.issue_password_link(store, "Jun").partition("token=")[2]
    with browser(store, idp) as client:
        assert through(client, idp, f"invitation={token}").status_code == 303
        store.accounts.disable("Jun")
        answer = through(client, idp)
        assert (answer.status_code, "this account is disabled" in answer.text) == (403, True)
        client.headers |= {"accept": "text/html", "accept-language": "ko"}
        assert "로그인하지 못했습니다: 사용이 중지된 계정입니다. 연구자에게 물어보세요." in through(client, idp).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another app"},
        {"iss": "https://evil.example"},
        {"nonce": "old"},
        {"exp": 1},
        {"sub": None},
        {"aud": ["app", "b"], "azp": "b"},
        "key",
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(store, idp, wrong):
    idp.key, idp.claims = (OTHER, {}) if wrong == "key" else (KEY, wrong)
    with browser(store, idp, new_accounts=True) as client:
        assert through(client, idp).status_code == 403
        assert COOKIE not in client.cookies
    assert store.accounts.all() == []


def test_what_comes_back_must_have_been_begun_in_this_browser_and_counts_once(store, idp):
    with browser(store, idp, new_accounts=True) as client:
        back = idp.sign_in(client.get("/pl/oidc").headers["location"])
        state = client.cookies[STATE]
        client.cookies.clear()
        assert client.get(f"/pl/oidc/back?{back}").status_code == 403
        client.cookies.set(STATE, state)
        assert client.get(f"/pl/oidc/back?{back}").status_code == 303
        client.cookies.set(STATE, state)
        assert client.get(f"/pl/oidc/back?{back}").status_code == 403


def test_a_provider_that_does_not_answer_is_a_line_and_the_password_is_still_there(store):
    provider = Provider("http://127.0.0.1:9", "app", "secret", "Example ID")
    with TestClient(Gate(Starlette(), store, oidc=OidcClient(provider))) as client:
        answer = client.get("/oidc")
        assert (answer.status_code, "Example ID did not respond" in answer.json()["error"]) == (502, True)
        assert "name=password" in client.get("/login").text


def test_without_the_flag_nothing_of_it_is_there(store):
    with TestClient(Gate(Starlette(), store)) as client:
        assert [client.get(path).status_code for path in ("/oidc", "/oidc/back")] == [404, 404]
        assert "oidc" not in client.get("/login").text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "one JSON object"),
        ("{}", "'issuer' is missing"),
        ('{"colour": "red"}', "the field 'colour' with the value 'red' is not valid"),
        ('{"issuer": "http://a.example", "client_id": "a", "client_secret": "b"}', "https://"),
    ],
)
def test_a_file_that_names_no_provider_is_refused_with_its_name(tmp_path, text, said):
    (tmp_path / "oidc.json").write_text(text)
    with pytest.raises(BadInput, match=f"oidc.json.*{said}"):
        read_provider(tmp_path / "oidc.json")

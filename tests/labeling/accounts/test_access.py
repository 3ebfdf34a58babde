# SPDX-License-Identifier: Apache-2.0
"""Every route and every handler that the app registers answers as the tables in docs/security.md say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.context import LocalContext
from starlette.routing import Mount
from starlette.testclient import TestClient

from data.store import Store
from labeling.accounts.oidc import OidcClient, Provider
from labeling.accounts.sign_in import COOKIE
from labeling.http.metrics import ServerMetrics
from labeling.http.proxy import ProxyHeaders
from reward.roles import ROLES
from rlhf.pages.site import compose_site
from tests.support import ROOT
from tests.support.labeling.routes import registered

DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
WHO = ("anonymous", "labeler", "researcher")


def table(heading: str) -> dict[str, dict[str, str]]:
    """Return the rows of the table whose first column is `heading`, by their first cell."""
    lines = iter(DOCUMENT.splitlines())
    columns = next(cells(line) for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *rest = cells(line)
        rows[first.strip("`")] = dict(zip(columns[1:], rest, strict=True))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| \n").split("|")]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("access"))
    for name, role in (("lab", "labeler"), ("rae", "researcher"), ("gone", "researcher")):
        store.accounts.add(name, role)
    store.accounts.disable("gone")
    yield store
    store.close()


@pytest.fixture(scope="module")
def site(store) -> ProxyHeaders:
    oidc = OidcClient(Provider("http://127.0.0.1:9", "client", "secret"))
    return compose_site(store, oidc=oidc, metrics=ServerMetrics(store))


@pytest.fixture(scope="module")
def client(site) -> TestClient:
    return TestClient(site, follow_redirects=False)


def credentials(store: Store, who: str) -> dict[str, str]:
    """Return the headers of this kind of caller: a new session, and a token for the API."""
    if who == "anonymous":
        return {}
    id = store.accounts.by_name({"labeler": "lab", "researcher": "rae"}[who]).id
    return {
        "cookie": f"{COOKIE}={store.tokens.issue('session', id, 600)}",
        "authorization": f"Bearer {store.tokens.issue('api', id, 600)}",
    }


def row_of(path: str, rows: dict) -> str | None:
    """Return the row of a path: the path itself, else the longest matching one with a star at its end."""
    fitting = [row for row in rows if row == path or (row.endswith("*") and path.startswith(row[:-1]))]
    return max(fitting, key=len, default=None)


def access_word(status: int, location: str) -> str:
    """Return the word of the table for a response: sign in, no, not there or yes."""
    if status == 401 or (status == 303 and location.startswith("/login?next=")):
        return "sign in"
    return {403: "no", 404: "not there"}.get(status, "yes")


def test_the_app_registers_the_framework_routes_too(site):
    paths = {path for _, path in registered(site)}
    pages = {"/label/do/answer", "/label/gradio_api/upload", "/train/exports/{name}", "/train/gradio_api/queue/join"}
    assert {"/login", "/api/v1/import"} | pages <= paths


def test_every_route_has_its_row_and_every_row_its_route(site):
    rows = table("route")
    row_by_path = {path: row_of(path, rows) for _, path in registered(site)}
    assert [path for path, row in row_by_path.items() if row is None] == []
    assert set(rows) - set(row_by_path.values()) == set()


@pytest.mark.parametrize("who", WHO)
def test_every_route_answers_as_its_row_says(store, site, client, who):
    rows, wrong, sent = table("route"), [], credentials(store, who)
    for method, path in registered(site):
        expected = rows[row_of(path, rows)][who]
        asked = re.sub(r"{[^}]*}", "predict" if "/run/" in path else "x", path)
        answer = client.request(method, asked, headers=sent | ({"accept": "text/html"} if method == "GET" else {}))
        sent = credentials(store, who) if path == "/logout" else sent
        got = access_word(answer.status_code, answer.headers.get("location", ""))
        if got != expected and not (expected == "yes" and got == "not there" and "{" in path):
            wrong.append((method, asked, expected, answer.status_code))
    assert wrong == []


def handlers(site: ProxyHeaders) -> list[tuple[str, str, object]]:
    """Return (page, name, function) of every handler of every mounted page that runs on the server."""
    mounts = [route for route in site.app.app.routes if isinstance(route, Mount) and hasattr(route.app, "get_blocks")]
    return [(mount.path, fn.name, fn.fn) for mount in mounts for fn in mount.app.get_blocks().fns.values() if fn.fn]


def test_every_page_has_its_row_of_handlers(site):
    assert {page for page, *_ in handlers(site)} == set(table("handlers of"))


@pytest.mark.parametrize(
    ("who", "name"), [("anonymous", None), ("anonymous", "nobody"), ("labeler", "lab"), ("closed account", "gone")]
)
def test_every_handler_refuses_whom_its_row_refuses(store, site, who, name):
    rows = table("handlers of")
    account = store.accounts.by_name(name) if name else None
    gradio_request = SimpleNamespace(
        request=SimpleNamespace(headers={}, cookies={}, state=SimpleNamespace(user=account))
    )
    request = LocalContext.request.set(gradio_request)
    try:
        for page, _, handler in handlers(site):
            if rows[page][who] == "no":
                with pytest.raises(gr.Error, match="no access to this page"):
                    handler()
    finally:
        LocalContext.request.reset(request)


ROLE_CHECKS = {
    "labeling/accounts/gate.py": "the gate, for every request",
    "labeling/api/route.py": "the wrapper of API routes and uploads",
    "rlhf/pages/site.py": "the wrapper of page handlers",
}
ADAPTERS = {"reward/member.py", "reward/training/subsets.py", "rlhf/ppo/roles.py"}
"""Roles of adapters on a base, which are no roles of people."""
OTHER_USES = {
    "labeling/accounts/management.py",
    "labeling/page/controls.py",
    "labeling/page/turns.py",
    "reward/roles.py",
} | ADAPTERS
"""Rules about the account that changes, a link in the header, roles of turns and reward models; none admits a request."""


def test_a_role_is_checked_by_the_gate_and_by_one_wrapper():
    compared = {
        str(path.relative_to(ROOT))
        for layer in ("labeling", "reward", "rlhf")
        for path in (ROOT / layer).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(part, ast.Attribute) and part.attr == "role" for part in (node.left, *node.comparators))
        and not any(isinstance(part, ast.Constant) and part.value in ROLES for part in node.comparators)
    }
    assert compared == set(ROLE_CHECKS) | OTHER_USES


def test_no_page_links_to_an_address_that_a_root_path_would_break():
    root = ROOT
    sources = [
        path
        for floor in ("labeling", "reward", "rlhf")
        for kind in ("py", "js")
        for path in (root / floor).rglob(f"*.{kind}")
    ]
    absolute = re.compile(r"""(?:href|action|src)=\\?['"]?/(?!/)|fetch\(\\?['"`]/|link="/""")
    assert [str(path) for path in sources if absolute.search(path.read_text(encoding="utf-8"))] == []


def test_a_labeler_reads_texts_of_their_own_projects_alone(tmp_path):
    rows, store = table("texts on"), Store(tmp_path)
    for number in range(4):  # some of them train
        store.instructions.add(f"Say {number}.", "Yes.", source="a secret file")
        store.prompts.add(f"Tell a secret of {number}.", source="a secret file")
    people = {
        who: store.accounts.add(who[-12:], "researcher" if who == "researcher" else "labeler")
        for who in rows["/label/rate"]
    }
    store.projects.add_members(1, [people["labeler of the Standard project"]])
    store.projects.add_members(store.projects.add("Another").id, [people["labeler of another one"]])
    client = TestClient(compose_site(store))
    for who, account in people.items():
        client.cookies = {COOKIE: store.tokens.issue("session", account.id, 600)}
        got = {path: "yes" if "<div class=text" in client.get(path).text else "no" for path in rows}
        assert got == {path: row[who] for path, row in rows.items()}, who
    store.projects.change(1, everyone=False)
    client.cookies = {COOKIE: store.tokens.issue("session", people["labeler of none"].id, 600)}
    assert not any("<div class=text" in client.get(path).text for path in rows)
    store.close()

# SPDX-License-Identifier: Apache-2.0
"""The People page: every action happens, and an erasure only after the right name was typed."""

from __future__ import annotations

import re

import gradio as gr
import pytest
from starlette.testclient import TestClient

from labeling.accounts.sign_in import COOKIE
from labeling.http.proxy import ServedAddress
from rlhf.pages.site import compose_site


@pytest.fixture
def press(store):
    """press(handler's name, *inputs) -> the page's answer, as researcher Ada sees it below a root path."""
    ada = store.accounts.add("Ada", "researcher", password_hash="x")
    store.accounts.add("Mina", "labeler", password_hash="x")
    site = compose_site(store, address=ServedAddress("/pl"))
    client = TestClient(site, cookies={COOKIE: store.tokens.issue("session", ada.id, 600)})
    (mount,) = (route for route in site.app.app.routes if getattr(route, "path", "") == "/train")
    handlers = mount.app.get_blocks().fns.values()
    titles = {
        block._id: block.value for block in mount.app.get_blocks().blocks.values() if isinstance(block, gr.Button)
    }

    def press(title, *inputs):
        (handler,) = (each for each in handlers if titles.get(each.targets[0][0]) == title)
        call = {"fn_index": handler._id, "session_hash": "test", "data": list(inputs)}
        return client.post("/pl/train/gradio_api/run/predict", json=call).json()["data"]

    return press


def test_a_link_is_shown_with_the_whole_address_below_the_root_path_and_works(press, store):
    line = press("Create an invitation link", "labeler")[0]
    address, token = re.search(r"(http://testserver/pl/invite\?token=)([\w-]+)", line).groups()
    assert store.invitations.find(token).role == "labeler"


def test_a_token_is_shown_once_and_listed_by_its_mark(press, store):
    line, *_, tokens = press("Create an API token", "Mina", None, "")
    token = re.search(r"<code>([\w-]+)</code>", line)[1]
    assert store.tokens.find(token, "api").name == "Mina"
    assert token not in str(tokens)
    mark = tokens["value"]
    assert "is revoked" in press("Revoke the token", "Mina", mark, "")[0]
    assert store.tokens.find(token, "api") is None


def test_closing_and_opening_again_show_in_the_table(press, store):
    _, _, table, *_ = press("Close the account", "Mina", None, "")
    assert table["data"] == [["Ada", "researcher", "online", 0], ["Mina", "labeler", "closed", 0]]
    _, _, table, *_ = press("Reopen the account", "Mina", None, "")
    assert table["data"][1] == ["Mina", "labeler", "not since the server started", 0]


def test_erasing_wants_the_name_typed(press, store):
    assert "Type the name to confirm" in press("Erase personal data", "Mina", None, "Mena")[0]
    assert store.accounts.by_name("Mina")
    assert "is erased" in press("Erase personal data", "Mina", None, "Mina")[0]
    assert store.accounts.by_name("Mina") is None


def test_without_a_choice_or_against_the_rules_a_line_says_so(press, store):
    assert "No account is chosen. Choose one first." in press("Close the account", None, None, "")[0]
    assert "the last researcher" in press("Close the account", "Ada", None, "")[0]
    assert "no open token" in press("Revoke the token", "Mina", None, "")[0]

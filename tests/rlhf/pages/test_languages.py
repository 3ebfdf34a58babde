# SPDX-License-Identifier: Apache-2.0
"""The researcher's pages are there in each language, with the same components and handlers at one address."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from data import Store
from labeling.accounts import accounts
from labeling.accounts.sign_in import COOKIE
from labeling.texts.reader import writing_in
from labeling.texts.translate import TEXTS
from rlhf.pages import train
from rlhf.pages.site import compose_site
from tests.support.tiny_home import PASSWORD


@pytest.fixture
def built(tmp_path) -> dict[str, object]:
    """Return the pages' configuration by language."""
    store, pages = Store(tmp_path), {}
    for language in TEXTS:
        with writing_in(language):
            pages[language] = train.build(store).config
    store.close()
    return pages


def shape(config: dict) -> list[tuple]:
    """Return place and kind of every component, and the places of inputs and outputs of every handler."""
    first = config["components"][0]["id"]
    places = {part["id"]: part["id"] - first for part in config["components"]}
    parts = [(places[part["id"]], part["type"]) for part in config["components"]]
    calls = [
        (call["id"], [places[each] for each in call["inputs"]], [places[each] for each in call["outputs"]])
        for call in config["dependencies"]
    ]
    return parts + calls


def test_a_call_from_a_page_in_one_language_can_be_answered_in_another(built):
    first, *others = [shape(config) for config in built.values()]
    assert len(first) > 1000
    assert others == [first] * len(others)


def test_one_address_answers_compressed_in_the_language_of_its_reader(tmp_path):
    store = Store(tmp_path)
    session = {COOKIE: store.tokens.issue("session", accounts.create(store, "ada", "researcher", PASSWORD).id, 600)}
    client = TestClient(compose_site(store))

    def language(cookie: str | None, browser: str) -> list[str]:
        cookies = session | ({"language": cookie} if cookie else {})
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        page = client.get("/train/", headers={"accept-language": browser, "cookie": header}).text
        return re.findall(r'LANGUAGE = \\"(..)', page)

    assert language("ko", "en") == language(None, "ko-KR") == ["ko"]
    assert language("en", "ko-KR") == language(None, "de") == ["en"]
    sent = client.get("/train/", headers={"cookie": f"{COOKIE}={session[COOKIE]}"})
    assert sent.headers["content-encoding"] == "gzip"
    assert int(sent.headers["content-length"]) < len(sent.text) / 5
    store.close()

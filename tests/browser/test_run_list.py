# SPDX-License-Identifier: Apache-2.0
"""The list of the Runs page in a real browser: a note is kept and seen at once, the search narrows the table."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data import Store
from tests.browser.run_charts import finish
from tests.support.browsing import MARKS, picture, sign_in, tab

pytestmark = MARKS


@pytest.fixture
def store(served_home) -> Iterator[Store]:
    store = Store(served_home)
    yield store
    store.close()


@pytest.fixture(scope="module")
def page(browser, server) -> Iterator[Page]:
    """A tab in which a researcher is signed in."""
    with tab(browser) as opened:
        sign_in(opened, server, "rae")
        opened.wait_for_url(re.compile("/(label|train)"))
        yield opened


def test_a_run_is_named_found_archived_and_hidden(page, server, store):
    named, other = (finish(store, kind).public for kind in ("sft", "ppo"))
    page.goto(f"{server.root}/train/#runs/{named}")
    table, head = page.locator("#runs-table"), page.locator("#run-head .card > b")
    expect(head).to_contain_text(named)
    page.locator("#runs-note").get_by_role("button", name="Name, tags and note").click()
    page.locator("#runs-note").get_by_label("Name", exact=True).fill("the long one")
    page.locator("#runs-note").get_by_label("Tags").fill("lr, keep")
    page.locator("#runs-note-save").click()
    expect(page.locator("#runs-note-status")).to_contain_text(f"Saved the name, tags and note of {named}")
    expect(head).to_contain_text("the long one")
    expect(table).to_contain_text("the long one")
    page.get_by_label("Search runs").fill("long lr")
    expect(page.locator("#runs-count")).to_contain_text("1 of ")
    expect(table.get_by_role("link", name=other, exact=True)).to_have_count(0)
    picture(page, "run-list")
    page.locator("#runs-note").get_by_label("Archived").check()
    page.locator("#runs-note-save").click()
    expect(page.locator("#runs-count")).to_contain_text("0 of ")
    page.get_by_label("Search runs").fill("")
    expect(page.locator("#runs-count")).to_contain_text("1 archived runs are hidden.")
    expect(table.get_by_role("link", name=other, exact=True)).to_be_visible()
    page.get_by_label("Show archived runs").check()
    expect(table).to_contain_text("the long one")

# SPDX-License-Identifier: Apache-2.0
"""The researcher's pages are mounted one by one, when they are first turned to; nothing that came before is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from data import Store
from tests.browser.runs.run_charts import finish
from tests.support.browsing import MARKS, sign_in, tab, visit, wait_for_refreshes

pytestmark = MARKS
CALL = "/gradio_api/run/predict"
HANDLER = """(name) => {
    const button = gradio_config.components.find(({ props }) => props.elem_id === name).id;
    return gradio_config.dependencies.find(({ targets }) => targets.some(([target]) => target === button)).id;
}"""
"""Return the number of the handler of a button."""


@pytest.fixture
def researcher(browser, server) -> Iterator[Page]:
    """A tab in which a researcher is signed in."""
    with tab(browser) as opened:
        sign_in(opened, server, "rae")
        opened.wait_for_url(re.compile("/(label|train)"))
        yield opened


def mounted(page: Page) -> list[str]:
    """Return the names of the pages in the document."""
    return page.evaluate("[...document.querySelectorAll('.page')].map((page) => page.id.replace('page-', ''))")


def test_only_pages_that_were_turned_to_are_in_the_document_and_they_keep_what_was_typed(researcher, server):
    page = researcher
    visit(page, server, "audit")
    assert mounted(page) == ["audit"]
    page.locator("#page-audit").get_by_role("textbox").first.fill("sign_in")
    page.locator("#nav a", has_text="Runs").click()
    expect(page.locator("#page-runs h1")).to_be_visible()
    assert mounted(page) == ["runs", "audit"]
    page.go_back()
    expect(page.locator("#page-audit").get_by_role("textbox").first).to_have_value("sign_in")
    expect(page.locator("#page-runs")).to_be_hidden()
    assert mounted(page) == ["runs", "audit"]
    page.go_forward()
    expect(page.locator("#page-runs h1")).to_be_visible()
    wait_for_refreshes(page, 2)
    for unseen in ("#chosen-run", "#cancel-run"):
        expect(page.locator(unseen)).to_be_hidden()


def test_what_a_page_was_sent_before_it_was_mounted_is_on_it_when_it_is_turned_to(researcher, server, served_home):
    page = researcher
    with closing(Store(served_home)) as store:
        run = finish(store, "ppo")
    visit(page, server, "loop")
    for button in ("look-audit", "open-runs", "look-runs"):
        handler = page.evaluate(HANDLER, button)
        with page.expect_response(
            lambda answer, handler=handler: (
                answer.url.endswith(CALL) and answer.request.post_data_json["fn_index"] == handler
            )
        ):
            page.locator(f"#{button}").dispatch_event("click")
    page.route(f"**{CALL}", lambda _: None)  # what is drawn from now on came before
    assert mounted(page) == ["loop"]
    page.evaluate("location.hash = 'audit'")
    expect(page.locator("#audit-table")).to_contain_text("add account")
    page.evaluate("location.hash = 'runs'")
    expect(page.locator("#charts figure .canvas").first).to_have_attribute(
        "aria-label", re.compile(f" of {run.public} by ")
    )
    page.get_by_role("button", name="Start a run").click()
    expect(page.locator("#sample-from input")).to_have_value("p1, newest")

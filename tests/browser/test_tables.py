# SPDX-License-Identifier: Apache-2.0
"""Tables of the researcher's pages in a real browser: times of the reader's zone, a search, and a file of all rows."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import Browser, expect

from data import Store
from tests.support.browsing import MARKS, sign_in, tab, visit

pytestmark = MARKS


def test_times_are_those_of_the_browser_s_zone_and_say_it(browser: Browser, server):
    """Kathmandu is 5 h 45 min ahead of UTC all year."""
    with tab(browser, timezone_id="Asia/Kathmandu") as page:
        sign_in(page, server, "rae")
        visit(page, server, "audit")
        expect(page.locator("#audit-table")).to_contain_text("UTC+5:45")


def test_a_search_leaves_the_matching_rows_and_the_file_holds_every_row(page, server, served_home):
    store = Store(served_home)
    first = store.projects.all()[0].name
    store.projects.add("=second")
    store.close()
    sign_in(page, server, "rae")
    visit(page, server, "projects")
    table = page.locator("#projects-table")
    expect(table).to_contain_text(first)
    table.locator(".search-input").fill("second")
    expect(table).not_to_contain_text(first)
    expect(table).to_contain_text("=second")
    with page.expect_download() as download:
        page.locator("#page-projects .save-table").click()
    assert download.value.suggested_filename == "projects-table.csv"
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        head, *saved = csv.reader(file)
    assert head[0] == "Project"
    assert [row[0] for row in saved] == [first, "'=second"]

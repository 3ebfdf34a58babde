# SPDX-License-Identifier: Apache-2.0
"""Tables of the researcher's pages in a real browser: times of the reader's zone."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.support.browsing import MARKS, sign_in, tab, visit

pytestmark = MARKS


def test_times_are_those_of_the_browser_s_zone_and_say_it(browser: Browser, server):
    """Kathmandu is 5 h 45 min ahead of UTC all year."""
    with tab(browser, timezone_id="Asia/Kathmandu") as page:
        sign_in(page, server, "rae")
        visit(page, server, "audit")
        expect(page.locator("#audit-table")).to_contain_text("UTC+5:45")

# SPDX-License-Identifier: Apache-2.0
"""A tab for each file about the Runs page, which loads the site once, and the store behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from data import Store
from tests.support.browsing import sign_in, tab


@pytest.fixture
def store(served_home) -> Iterator[Store]:
    """The store of the server."""
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

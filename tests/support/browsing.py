# SPDX-License-Identifier: Apache-2.0
"""Chromium for the tests: its start, its tabs, sign-in and screenshots. `conftest.py` has the fixtures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.serving import Server
from tests.support.tiny_home import PASSWORD

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Commands of browsers. The first has no window of its own to draw, so each tab costs it a fifth of the others' time."""
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
)
WAIT = 600_000
"""Milliseconds after which a test gives up on a page; a busy machine needs a tenth of it."""
INSTALL_HINT = "chromium is missing; on Debian: apt-get install -y chromium-headless-shell"
MARKS = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=INSTALL_HINT)]
expect.set_options(timeout=WAIT)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser without a window."""
    assert CHROMIUM, INSTALL_HINT
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield launched
        launched.close()


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a page in a new context with these options. A request to another machine fails the test."""
    context = browser.new_context(locale="en-US", accept_downloads=True, **options)
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    outside_requests: list[str] = []
    opened.on("request", lambda request: outside_requests.append(request.url) if is_outside(request.url) else None)
    yield opened
    context.close()
    assert outside_requests == []


def is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1"


def wait_for_refreshes(page: Page, count: int = 3) -> None:
    """Wait for that many answers of the server to the page; an open page asks for news again and again."""
    for _ in range(count):
        page.wait_for_event("response", predicate=lambda answer: "/gradio_api/" in answer.url)


def sign_in(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.root}/login")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button").click()


def visit(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.root}/train/#{name}")
    expect(page.locator(f"#page-{name.split('/')[0]} h1")).to_be_visible()


def picture(page: Page, name: str) -> None:
    """Save a screenshot in the folder $PICTURES, if it is set."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)

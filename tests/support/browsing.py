# SPDX-License-Identifier: Apache-2.0
"""Chromium for the tests: where it is and how it starts, and what a person does there first. The fixtures stand in
`conftest.py`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.serving import Server
from tests.support.tiny_home import PASSWORD

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
)
WAIT = 60_000
"""Milliseconds that a page may take on a busy machine."""
HOW = "chromium is missing; on Debian: apt-get install -y chromium"
MARKS = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=HOW)]
expect.set_options(timeout=WAIT)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    assert CHROMIUM, HOW
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield launched
        launched.close()


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own; a request that leaves this machine fails the test."""
    context = browser.new_context(locale="en-US", accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    elsewhere: list[str] = []
    opened.on("request", lambda request: elsewhere.append(request.url) if leaves(request.url) else None)
    yield opened
    context.close()
    assert elsewhere == []


def leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1"


def sign_in(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.root}/login")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button").click()


def visit(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.root}/train/#{name}")
    expect(page.locator(f"#page-{name} h1")).to_be_visible()


def picture(page: Page, name: str) -> None:
    """A screenshot, for whoever names a folder in PICTURES."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)

"""The README's pictures, taken from the running app: `python -m docs.screenshots [HOME]` writes docs/screenshots/*.png.

Without HOME it starts a fresh one in a temporary folder; a home that `app.py tour` has filled shows more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from data.store import Store
from labeling import accounts

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "screenshots"
PASSWORD = "only for these pictures"
PAGES = ("loop", "reward", "policies", "runs", "export")
VIEWS = {"": {"width": 1440, "height": 900}, "-phone": {"width": 390, "height": 844}}
SETTLE = 6_000
"""Milliseconds in which a page has looked at the store and drawn its plots."""


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder)
        store = Store(home)
        for name, role in (("rae", "researcher"), ("mina", "labeler")):
            if not store.accounts.by_name(name):
                accounts.create(store, name, role, PASSWORD)
        server = subprocess.Popen(
            [sys.executable, "app.py", "serve", "--port", "0", "--home", str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            address = server.stdout.readline().strip().rstrip("/")
            wait_for_pairs(store)
            take(address)
        finally:
            server.terminate()
            server.wait()


def wait_for_pairs(store: Store) -> None:
    """Until the first sampling run has left something to compare."""
    while not store.pairs.count():
        time.sleep(0.5)


def take(address: str) -> None:
    """Both roles' pages, wide, on a phone, and in the dark."""
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for suffix, size in VIEWS.items():
            picture(browser, address, "mina", {"label": "/label/"}, suffix, viewport=size)
            picture(browser, address, "rae", {name: f"/train/#{name}" for name in PAGES}, suffix, viewport=size)
        picture(browser, address, "rae", {"loop": "/train/#loop"}, "-dark", viewport=VIEWS[""], color_scheme="dark")
        browser.close()


def picture(browser: Browser, address: str, name: str, pages: dict[str, str], suffix: str, **view: object) -> None:
    """Sign in and write one file per page."""
    context = browser.new_context(locale="en-US", **view)
    page = context.new_page()
    page.goto(f"{address}/login")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button").click()
    for title, path in pages.items():
        page.goto(address + path)
        page.wait_for_timeout(SETTLE)
        page.screenshot(path=OUT / f"{title}{suffix}.png")
    context.close()


if __name__ == "__main__":
    main()

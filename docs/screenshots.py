# SPDX-License-Identifier: Apache-2.0
"""The README's pictures, taken from the running app: `python -m docs.screenshots [HOME]` writes docs/images/*.png.

Without HOME it fills a fresh one in a temporary folder: some simulated labels and a short reward run, about a minute.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from data.store import Store
from labeling.accounts import accounts

ROOT = Path(__file__).resolve().parent.parent
APP = (sys.executable, "app.py")
OUT = ROOT / "docs" / "images"
PASSWORD = "only for these pictures"
SIZE: ViewportSize = {"width": 1280, "height": 800}
PICTURES = {"label": "/label/", "loop": "/train/#loop"}
READY = {"label": ".answer", "loop": ".station"}
"""What stands on a page once it has looked at the store."""
SETTLE = 2_000
"""Milliseconds in which an answer is recorded and the next pair shown."""
PROMPTS, LABELS, STEPS = 40, 60, 4


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder)
        store = Store(home)
        if not store.accounts.by_name("mina"):
            accounts.create(store, "mina", "researcher", PASSWORD)
        server = subprocess.Popen(
            [*APP, "serve", "--port", "0", "--home", str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout
            address = server.stdout.readline().strip().rstrip("/")
            if len(sys.argv) == 1:
                fill(store)
            take(address)
        finally:
            server.terminate()
            server.wait()


def fill(store: Store) -> None:
    """Labels and a reward model as the commands make them, and the pages' counts with them."""
    while not store.pairs.count() or store.runs.all(state="queued") or store.runs.all(state="running"):
        time.sleep(0.5)
    command(store, "sample", "--prompts", str(PROMPTS), "--wait")
    command(store, "simulate", "--labels", str(LABELS), "--labelers", "3")
    command(store, "train", "reward", "--set", "labels=simulated", "--set", f"max_steps={STEPS}", "--wait")


def command(store: Store, *words: str) -> None:
    """One command of the app on this home, to its end."""
    subprocess.run([*APP, *words, "--home", str(store.home)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def take(address: str) -> None:
    """Sign in and write one file per page."""
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(locale="en-US", viewport=SIZE).new_page()
        page.goto(f"{address}/login")
        page.locator("[name=name]").fill("mina")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button").click()
        page.wait_for_url("**/train/**")
        for name, path in PICTURES.items():
            page.goto(address + path)
            page.locator(READY[name]).first.wait_for()
            if name == "label":
                page.keyboard.press("2")
            page.wait_for_timeout(SETTLE)
            page.screenshot(path=OUT / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Take the documents' pictures from the running app: `python -m docs.screenshots [HOME]` writes docs/images/*.png.

Without HOME it runs the tutorial's commands in a temporary home first: about five minutes on two CPU cores. HOME is a
home in which they have run.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from data.store import Store
from labeling.accounts import accounts

ROOT = Path(__file__).resolve().parent.parent
APP = (sys.executable, str(ROOT / "app.py"))
OUT = ROOT / "docs" / "images"
TUTORIAL = ROOT / "docs" / "tutorial.md"
PASSWORD = "only for these pictures"
SIZE: ViewportSize = {"width": 1280, "height": 800}
COLOURS = 128
"""Colours of a picture; its text stays sharp, and the file takes a third."""
SETTLE = 2_000
"""Milliseconds in which an answer is recorded and the next pair shown."""


class Picture(NamedTuple):
    """A page and the element that appears once the page has read the store.

    `key` is pressed before the picture; `top` is the element to scroll to; `height` is that of the picture.
    """

    path: str
    ready: str
    key: str = ""
    top: str = ""
    height: int = SIZE["height"]


PICTURES = {
    "label": Picture("/label/", ".answer", "2"),
    "loop": Picture("/train/#loop", ".station"),
    "reward": Picture("/train/#reward/r1", "#reward-cards .card"),
    "runs": Picture("/train/#runs/run3", "#page-runs .plots figure", top="#run-head"),
    "policies": Picture("/train/#policies/p3", "#page-policies .card", height=520),
}


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(folder) / "home"
        if len(sys.argv) == 1:
            run_tutorial(home, Path(folder))
        store = Store(home)
        if not store.accounts.by_name("mina"):
            accounts.create(store, "mina", "researcher", PASSWORD)
        store.close()
        server = subprocess.Popen(
            [*APP, "serve", "--port", "0", "--home", str(home)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout
            take(server.stdout.readline().strip().rstrip("/"))
        finally:
            server.terminate()
            server.wait()


def tutorial_commands() -> list[list[str]]:
    """Return the arguments of each command in the tutorial's part on the command line, in order."""
    part = TUTORIAL.read_text("utf-8").partition("## By the command line")[2].partition("\n## ")[0]
    return [shlex.split(line)[1:] for line in part.splitlines() if line.startswith("    preference-loop ")]


def run_tutorial(home: Path, folder: Path) -> None:
    """Run the tutorial's commands in a home; exports go to the folder."""
    for words in tutorial_commands():
        subprocess.run([*APP, *words, "--home", str(home)], cwd=folder, check=True, stdout=subprocess.DEVNULL)


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
        for name, picture in PICTURES.items():
            take_one(page, address, picture, OUT / f"{name}.png")
        browser.close()


def take_one(page: Page, address: str, picture: Picture, file: Path) -> None:
    """Open a page, wait until it is filled, and write its picture."""
    page.goto(address + picture.path)
    page.locator(picture.ready).first.wait_for()
    if picture.key:
        page.keyboard.press(picture.key)
    page.wait_for_timeout(SETTLE)
    if picture.top:
        page.locator(picture.top).evaluate("element => element.scrollIntoView()")
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": SIZE["width"], "height": picture.height})
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()

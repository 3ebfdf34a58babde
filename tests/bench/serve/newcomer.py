# SPDX-License-Identifier: Apache-2.0
"""A newcomer's first round in a browser: from `serve` in an empty home to a blind comparison, by clicks alone.

Each step waits for what the person waits for, and has its seconds, clicks and key presses. The installation is over.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.bench.serve.start_server import serving_app
from tests.support.browsing import chromium, tab
from tests.support.tiny_home import PASSWORD

SIZE = {"width": 1280, "height": 800}
PATIENCE = 3_600_000
"""Most milliseconds of a step: a figure that misses its goal is a figure, and no error."""


class Newcomer:
    """A person at a page: acts, waits, and writes down what each step took."""

    def __init__(self, began: float) -> None:
        self.steps: dict[str, dict[str, float]] = {}
        self._began = self._last = began
        self._clicks = self._keys = 0

    def click(self, place: Locator) -> None:
        """Click as soon as the place can be clicked."""
        place.click()
        self._clicks += 1

    def press(self, page: Page, key: str) -> None:
        """Press a key."""
        page.keyboard.press(key)
        self._keys += 1

    def reached(self, step: str, sign: Locator | None = None) -> None:
        """Wait until the sign of a step is on the screen, and write the step down."""
        if sign:
            sign.first.wait_for()
        now = time.monotonic()
        self.steps[step] = {
            "seconds": round(now - self._last, 1),
            "since_start": round(now - self._began, 1),
            "clicks": self._clicks,
            "keys": self._keys,
        }
        print(f"{step}: {self.steps[step]}", file=sys.stderr, flush=True)
        self._last, self._clicks, self._keys = now, 0, 0


def newcomer(home: Path) -> dict:
    """Return what each step of the first round took, and clicks and seconds of all of them."""
    began = time.monotonic()
    with serving_app(home) as link:
        person = Newcomer(began)
        person.reached("address")
        with chromium() as browser, tab(browser) as page:
            page.set_viewport_size(SIZE)
            page.set_default_timeout(PATIENCE)
            label(person, page, link)
            first_round(person, page, link.split("/first")[0].rstrip("/"))
    total = {name: sum(step[name] for step in person.steps.values()) for name in ("clicks", "keys")}
    return {"seconds": round(time.monotonic() - began, 1), **total, "steps": person.steps}


def label(person: Newcomer, page: Page, link: str) -> None:
    """Make the first account and answer the first pair."""
    page.goto(link)
    page.locator("[name=name]").fill("ada")
    page.locator("[name=password]").fill(PASSWORD)
    person.click(page.locator("main form button"))
    start = page.locator(".round").get_by_role("link", name="Start labeling")
    person.reached("account", start)
    person.click(start)
    person.reached("first pair", page.locator(".answer"))
    person.press(page, "2")
    person.reached("first label", page.get_by_text("1 today"))


def first_round(person: Newcomer, page: Page, root: str) -> None:
    """Follow the guide on the Loop page: simulated labelers, reward model, PPO, comparison, result."""
    due = page.locator(".round [aria-current=step]")
    person.click(page.get_by_role("link", name="Train"))
    person.reached("guide", due)
    person.click(due.get_by_role("button", name="Let simulated labelers answer"))
    train = due.get_by_role("button", name="Train the first reward model")
    person.reached("enough labels", train)
    person.click(train)
    ppo = due.get_by_role("button", name="Train a policy with PPO")
    person.reached("first reward model", ppo)
    person.click(ppo)
    person.click(due.get_by_role("link", name="Follow"))
    person.reached("first PPO curve", page.locator("#page-runs .uplot"))
    person.click(page.locator("#nav").get_by_role("link", name="Loop"))
    due.get_by_text("Compare the new policy with its parent").wait_for()
    compare = due.locator("button.primary")
    person.reached("PPO done", compare)
    person.click(compare)
    person.reached("first comparison", due.get_by_text("See the result"))

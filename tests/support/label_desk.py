# SPDX-License-Identifier: Apache-2.0
"""The labeler's page in the tests: a labeler with a project of their own, their tabs, and reads of page and store."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, expect

from data import Store
from data.records import Account
from data.tables.forms import Form
from labeling.accounts.sign_in import COOKIE
from tests.support.browsing import WAIT

DAY = 86_400


@contextmanager
def serve_site(store: Store, port: int = 0) -> Iterator[str]:
    """Serve the whole site on this port, or on a free one, and yield its address."""
    import uvicorn

    from rlhf.pages.site import compose_site

    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(compose_site(store), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=WAIT / 1000)


class LabelDesk:
    """A labeler with a labeling project of their own. `outside_requests` are URLs on other hosts that a tab asked for."""

    def __init__(self, store: Store, browser: Browser, name: str) -> None:
        self.store, self.browser, self.name = store, browser, name
        self.account = store.accounts.add(name, "labeler")
        self.outside_requests: list[str] = []
        self._contexts: list[BrowserContext] = []

    def begin(
        self, form: Form | None = None, texts: tuple[str, ...] = ("plain answer", "kind answer"), pairs: int = 2
    ) -> None:
        """Add the project with `pairs` items of these texts: pairs for two texts, ranking tasks for more."""
        self.project = self.store.projects.add(self.name, form=form or Form())
        self.store.projects.add_members(self.project.id, [self.account])
        for number in range(pairs):
            prompt = self.store.prompts.add(f"{self.name}: write note {number}.", source="test")
            ids = self.store.completions.add_many(
                {"prompt_id": prompt.id, "model_name": str(place), "text": text, "number": 0}
                for place, text in enumerate(texts)
            )
            if len(ids) == 2:
                self.store.projects.move_pairs(self.project.id, [self.store.pairs.add(prompt.id, *ids).id])
            else:
                self.store.rankings.add_task(prompt.id, ids, project_id=self.project.id)

    def sign_in(self, address: str, account: Account | None = None, **settings: object) -> BrowserContext:
        """Return a browser context with the session of this labeler, or of another account."""
        context = self.browser.new_context(**({"locale": "en-US"} | settings))
        context.set_default_timeout(WAIT)
        self._contexts.append(context)
        token = self.store.tokens.issue("session", (account or self.account).id, DAY)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        return context

    def open_tab(self, context: BrowserContext, address: str) -> Page:
        """Open the labeler's page in a new tab and wait for its first screen."""
        page = context.new_page()
        own = (address, "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(own) else self.outside_requests.append(sent.url))
        page.goto(f"{address}/label/")
        page.locator("#screen > *").first.wait_for()
        return page

    def open(self, address: str, **settings: object) -> Page:
        """Sign in and open the labeler's page."""
        return self.open_tab(self.sign_in(address, **settings), address)

    def verdicts(self) -> list[str]:
        """Return the labeler's recorded verdicts in order, withdrawals included."""
        return [event.verdict for event in self.store.comparisons.events() if event.labeler_id == self.account.id]

    def close(self) -> None:
        """Close all tabs."""
        for context in self._contexts:
            context.close()


def expect_status(page: Page, text: str) -> None:
    """Wait until the status line contains the text."""
    expect(page.locator("#status")).to_contain_text(text)


def expect_text(page: Page, text: str | re.Pattern[str], place: str = "#desk") -> None:
    """Wait until that part of the page contains the text."""
    expect(page.locator(place)).to_contain_text(text)


def shown_assignment(page: Page) -> str | None:
    """Return the assignment on the screen."""
    return page.locator("#desk").get_attribute("data-assignment")


def stored_draft(store: Store, page: Page) -> str:
    """Return the stored draft of the item on the screen; empty if there is none."""
    return store.value("SELECT content FROM drafts WHERE assignment_id = ?", [shown_assignment(page)]) or ""


def address_to_write(address: str, store: Store, prompt: int) -> str:
    """Return the address of /label/write that offers this prompt; the page goes through the prompts by their hash."""
    sql = "SELECT id FROM prompts WHERE hash < (SELECT hash FROM prompts WHERE id = ?) ORDER BY hash DESC LIMIT 1"
    return f"{address}/label/write?after={store.value(sql, [prompt]) or 0}"


def wait_until(condition: Callable[[], object], pause: Callable[[float], None] = time.sleep) -> object:
    """Wait for a condition outside the page. `pause(seconds)` may let the browser run in the meantime."""
    end = time.monotonic() + WAIT / 1000
    while not condition() and time.monotonic() < end:
        pause(0.05)
    return condition()


def wait_for_failed_image(page: Page) -> None:
    """Load an image that does not exist and wait for its error; earlier loads of the page have then ended too."""
    page.evaluate(
        "new Promise((done) => { const probe = new Image(); probe.onerror = done; probe.src = '/no-image'; })"
    )

"""The labeler's page in a real browser, by keyboard alone."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from labeling import accounts

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
WAIT = 60_000
TRICKS = '<img src=x onerror="window.ran=1"> ${window.ran=2} {{value}} C:\\new `x`'
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")]


@pytest.fixture
def address(store) -> Iterator[str]:
    """The whole site, served on a free port."""
    import uvicorn

    from rlhf.pages.site import compose_site

    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(compose_site(store), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def open_page(browser, address, left=(), **settings):
    """A page of a new visitor; addresses outside this machine are written to `left`."""
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(WAIT)
    page.on("request", lambda request: left.append(request.url) if not request.url.startswith(("http://127.0.0.1", "data:", "blob:")) else 0)
    page.goto(address + "/label/")
    return page


def sign_in(page):
    page.fill("#name", "Mina")
    page.fill("#password", "correct horse")
    page.keyboard.press("Enter")
    page.locator("#prompt, #empty").first.wait_for()


def wait_for(page, text):
    from playwright.sync_api import expect

    expect(page.locator("#page")).to_contain_text(text, timeout=WAIT)


def test_a_labeler_signs_in_ranks_skips_and_undoes_by_keyboard(store, add_pairs, browser, address):
    accounts.create(store, "Mina", "labeler", "correct horse")
    add_pairs(1)
    prompt = store.prompts.add("Say something tricky.", source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": model, "text": f"{TRICKS} {model}", "number": 0} for model in ("plain", "kind")
    )
    store.pairs.add(prompt.id, *ids, priority=1)
    left = []
    page = open_page(browser, address, left)
    sign_in(page)

    shown = page.locator(".answer .text").all_inner_texts()
    assert sorted(shown) == [f"{TRICKS} kind", f"{TRICKS} plain"]
    assert page.evaluate("window.ran") is None

    page.keyboard.press("2")
    wait_for(page, "Recorded: A better.")
    wait_for(page, "Write note 0.")
    (first,) = store.comparisons.current()
    assert (first.verdict, store.completions.get(first.left_id).text) == ("left", shown[0])

    page.keyboard.press("u")
    wait_for(page, "Taken back.")
    wait_for(page, "Say something tricky.")
    page.keyboard.press("7")
    wait_for(page, "Recorded: B much better.")

    page.keyboard.press("s")
    page.locator("#skip_unclear").wait_for()
    page.keyboard.press("1")
    wait_for(page, "Every pair has been judged.")
    wait_for(page, "1 today, 1 in all")
    assert [row.verdict for row in store.comparisons.events()] == ["left", "withdrawn", "right_much"]
    assert store.value("SELECT reason FROM skips") == "unclear"
    assert left == []


def test_a_korean_browser_gets_korean_the_servers_messages_included_and_a_phone_does_not_scroll_sideways(
    store, add_pairs, browser, address
):
    accounts.create(store, "Mina", "labeler", "correct horse")
    add_pairs(2)
    page = open_page(browser, address, locale="ko-KR", viewport={"width": 390, "height": 844})
    sign_in(page)
    wait_for(page, "A가 훨씬 낫다")
    page.keyboard.press("4")
    wait_for(page, "기록됨: 비슷하다.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    first, second = page.locator(".answer").all()
    assert first.bounding_box()["y"] + first.bounding_box()["height"] <= second.bounding_box()["y"]

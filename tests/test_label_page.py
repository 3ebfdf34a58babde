"""The labeler's page in a real browser, by keyboard alone."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import gradio as gr
import pytest

from data.errors import BadInput
from labeling import accounts
from labeling.page import Page

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
WAIT = 60_000
TRICKS = '<img src=x onerror="window.ran=1"> ${window.ran=2} {{value}} C:\\new `x`'
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")]


@contextmanager
def served(store, port=0) -> Iterator[str]:
    """The whole site on this port, or on a free one."""
    import uvicorn

    from rlhf.pages.site import compose_site

    door = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(compose_site(store), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def address(store) -> Iterator[str]:
    """The whole site, served on a free port."""
    with served(store) as there:
        yield there


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


def test_a_labeler_is_told_when_the_server_is_gone_and_goes_on_with_the_same_pair_when_it_is_back(store, add_pairs, browser):
    accounts.create(store, "Mina", "labeler", "correct horse")
    add_pairs(1)
    with served(store) as address:
        page = open_page(browser, address)
        sign_in(page)
        wait_for(page, "Write note 0.")
    page.keyboard.press("2")
    wait_for(page, "your last answer was not kept")
    assert store.comparisons.events() == []

    with served(store, int(address.rpartition(":")[2])):
        wait_for(page, "The server is back.")
        wait_for(page, "Write note 0.")
        page.keyboard.press("6")
        wait_for(page, "Recorded: B better.")
        assert page.locator("#trouble").count() == 0
    assert [row.verdict for row in store.comparisons.events()] == ["right"]


def test_on_a_full_disk_the_pair_stays_and_a_line_says_so_in_the_readers_language(store, add_pairs):
    accounts.create(store, "Mina", "labeler", "correct horse")
    add_pairs(1)
    page = object.__new__(Page)
    page.store = store
    asked = SimpleNamespace(username="Mina", headers={"accept-language": "ko"})

    def full(session, language):
        raise BadInput("feedback.db: database or disk is full", "Free some space.")

    *kept, line = page.act(asked, full)
    assert kept == [gr.skip()] * 4
    assert "저장하지 못했습니다: feedback.db: database or disk is full. Free some space." in line

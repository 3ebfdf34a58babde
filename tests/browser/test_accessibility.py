# SPDX-License-Identifier: Apache-2.0
"""WCAG 2.2 AA by axe-core: no page violates a rule, wide, on a phone or in the dark.

Each page is opened once; axe runs at all of LOOKS in the same session. The dark and the narrow look have the elements
of the wide one, so only the rules on colours run again in the one and those on sizes in the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from data import Store
from data.tables.forms import Form
from data.tables.projects import STANDARD
from rlhf.pages.train import PAGES
from tests.support.browsing import MARKS
from tests.support.data.online_answers import OnlineRunRows
from tests.support.full_home import fill_every_page

pytestmark = MARKS
ALL = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
SIZES = {"runOnly": ["target-size", "scrollable-region-focusable"]}
LOOKS = (("1280 px", 1280, "light", ALL), ("dark", 1280, "dark", COLOURS), ("390 px", 390, "light", SIZES))
HEIGHT = 844
FULL = Form(aspects=("tone", "facts"), edit=True, rationale="optional", markdown=True)
RUN = """async (rules) => {
    const away = [...document.querySelectorAll(".page")].filter((page) => !page.checkVisibility()).map((page) => [page, new Comment()]);
    away.forEach(([page, mark]) => page.replaceWith(mark));
    const { violations } = await axe.run(document, { ...rules, resultTypes: ["violations"] });
    away.forEach(([page, mark]) => mark.replaceWith(page));
    return violations.flatMap(({ id, impact, nodes }) => nodes.slice(0, 3).map((node) =>
        `${id} (${impact}): ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 240)}`));
}"""
"""Run axe without the hidden pages of the researcher, whose thousands of elements take it a minute."""
READY = {"labels": "#dispute .asked", "reward": "#reward-cards .card", "runs": "#charts canvas", "loop": ".station"} | {
    "policies": "#policy-detail .card",
    "data": "#imported-rows .row",
    "live": "#live-change .card",
}
"""An element that a page shows once it has read the store, by page."""
CHOSEN = {"runs": "/run1,run2"}
"""The rest of a page's address, which chooses what it shows."""
REACHED = """(ids) => ids.filter((id) => {
    const box = document.getElementById(id).getBoundingClientRect();
    return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest("button")?.id !== id;
})"""
"""Return the buttons that are not on the screen, or are covered."""
SMALL = """() => [...document.querySelectorAll("#desk :is(a, button, label, textarea, input:not([type=radio]))")]
    .filter((part) => part.checkVisibility()).map((part) => [part.id || part.textContent, part.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([name, box]) => `${name}: ${box.width}x${box.height}`)"""
"""Return the targets below 24x24 px (WCAG 2.5.8)."""
SETTLED = """(scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches
    && (!document.querySelector("#frame") || document.body.classList.contains("dark") === (scheme === "dark"))
    && document.getAnimations().every(({ playState }) => playState !== "running")"""
"""Tell if the page shows this scheme; the researcher's pages learn of it by an event."""
LUMINANCE = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
"""The red part of the page's grey background, 0 to 255."""
WITHOUT_OUTLINE = """() => {
    const controls = document.querySelectorAll("a[href], button, input, select, textarea, summary");
    const shown = [...controls].filter(it => it.checkVisibility() && !it.disabled && it.tabIndex >= 0);
    return shown.filter(it => {
        it.focus({ focusVisible: true });
        return document.activeElement === it && getComputedStyle(it).outlineStyle === "none";
    }).map(it => it.outerHTML.slice(0, 120));
}"""
"""The controls without an outline while they have the focus (WCAG 2.4.7), which axe does not examine."""


def violations(page: Page, name: str, looks: tuple = LOOKS) -> list[str]:
    """Return a line for each element of the page that violates a rule, at each of these looks."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(Axe().axe_script)
    lines = []
    for look, width, scheme, rules in looks:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(SETTLED, arg=scheme)
        lines += [f"{name}, {look}: {line}" for line in page.evaluate(RUN, rules)]
    return lines


@pytest.fixture(scope="module")
def label_store(served_home) -> Iterator[Store]:
    """A home with something on every page."""
    store = Store(served_home)
    fill_every_page(store)
    OnlineRunRows(store).start().fill()
    yield store
    store.close()


def test_no_form_of_an_item_violates_a_rule(desk, label_address):
    desk.begin(form=FULL, texts=("**kind** answer", "[plain](http://a.test) answer"), pairs=1)
    page = desk.open(label_address)
    lines = violations(page, "pair")
    page.keyboard.press("2")
    for key, panel in (("?", "help"), ("h", "history"), ("g", "guide"), ("s", "reasons"), ("f", "flags")):
        page.keyboard.press(key)
        page.locator(f'.panel[data-name="{panel}"]').wait_for()
        lines += violations(page, panel, LOOKS[2:])
        page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.locator("#answers mark").first.wait_for()
    lines += violations(page, "differences")
    assert lines == []


def test_neither_a_ranking_nor_an_empty_queue_violates_a_rule(desk, label_address):
    desk.begin(texts=("one", "two", "three"), pairs=1)
    page = desk.open(label_address)
    lines = violations(page, "ranking")
    page.locator("#all_bad, #both_bad").first.click()
    page.locator("#empty").wait_for()
    assert lines + violations(page, "empty") == []


def test_no_page_beside_the_items_violates_a_rule(label_store, desk, label_address):
    desk.begin()
    label_store.projects.add_members(STANDARD, [desk.account])
    page = desk.sign_in(label_address).new_page()
    lines = []
    for name, part in (("rate", "#point-5"), ("write", "#send"), ("review", "#accept"), ("you", "button")):
        page.goto(f"{label_address}/label/{name}")
        page.locator(part).wait_for()
        lines += violations(page, name)
    link = label_store.invitations.add("labeler")
    page.context.clear_cookies()
    for path in ("login", f"invite?token={link}", "invite?token=none", "nowhere"):
        page.goto(f"{label_address}/{path}")
        lines += violations(page, path)
    assert lines == []


def test_no_page_of_the_researcher_violates_a_rule(label_store, desk, label_address):
    page = desk.sign_in(label_address, label_store.accounts.by_name("rae")).new_page()
    lines = []
    for name in PAGES:
        with page.expect_response("**/gradio_api/run/predict"):
            page.goto(f"{label_address}/train/#{name}{CHOSEN.get(name, '')}")
        page.locator(READY.get(name, f"#page-{name} h1")).first.wait_for()
        lines += violations(page, name)
        lines += [f"{name}, no outline with the focus: {control}" for control in page.evaluate(WITHOUT_OUTLINE)]
    assert lines == []


@pytest.mark.parametrize("height", [860, 800, 768, 720])
def test_the_side_bar_shows_all_its_links_and_choices_on_a_low_screen(label_store, desk, label_address, height):
    page = desk.sign_in(label_address, label_store.accounts.by_name("rae")).new_page()
    page.set_viewport_size({"width": 1280, "height": height})
    page.goto(f"{label_address}/train/#export")
    language = page.locator("#nav").get_by_role("button", name="한")
    expect(language).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.querySelector('#nav').scrollHeight <= document.querySelector('#nav').clientHeight")


@pytest.mark.parametrize(("width", "height"), [(740, 360), (640, 360), (320, 256)])
def test_on_a_low_screen_the_texts_have_a_height_and_the_verdicts_stay_in_reach(desk, label_address, width, height):
    words = "A longer answer that takes several lines on a narrow screen. " * 12
    desk.begin(form=FULL, texts=(f"one {words}", f"two {words}"), pairs=1)
    page = desk.open(label_address, viewport={"width": width, "height": height})
    heights = page.evaluate(
        "[...document.querySelectorAll('#prompt, .answer')].map((box) => box.getBoundingClientRect().height)"
    )
    assert len(heights) == 3
    assert min(heights) >= 40
    assert page.evaluate("document.documentElement.scrollHeight > innerHeight")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for place in (0, 0.5, 1):
        page.evaluate("(place) => scrollTo(0, place * document.documentElement.scrollHeight)", place)
        assert page.evaluate(REACHED, ["left_much", "left", "tie", "right", "right_much"]) == []
    assert page.evaluate(SMALL) == []


def test_chosen_colours_hold_on_every_page_and_system_follows_the_system_again(label_store, desk, label_address):
    page = desk.sign_in(label_address, label_store.accounts.by_name("rae")).new_page()
    page.emulate_media(color_scheme="light")
    page.goto(f"{label_address}/train/#export")
    switch = page.locator("color-scheme select")
    expect(switch).to_have_value("system")
    switch.select_option("dark")
    for path in ("train/#export", "label/", "label/you"):
        page.goto(f"{label_address}/{path}")
        expect(switch).to_have_value("dark")
        page.wait_for_function(LUMINANCE + " < 60")
    switch.select_option("system")
    page.wait_for_function(LUMINANCE + " > 200")
    page.goto(f"{label_address}/train/#export")
    expect(switch).to_have_value("system")
    page.wait_for_function(LUMINANCE + " > 200")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(LUMINANCE + " < 60")

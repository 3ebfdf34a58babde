# SPDX-License-Identifier: Apache-2.0
"""The Live page in a browser: it offers a run, queues and stops it, and follows its labels without a reload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data import Store
from rlhf.common import locks
from tests.support.browsing import MARKS, picture, wait_for_refreshes
from tests.support.data.online_answers import OnlineRunRows

pytestmark = MARKS


@pytest.fixture(scope="module")
def label_store(served_home) -> Iterator[Store]:
    """A home with prompts and a policy, in which no supervisor starts a run."""
    store = Store(served_home)
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        yield store
    store.close()


@pytest.fixture
def live(desk, label_store, label_address) -> Page:
    """The Live page of a researcher."""
    page = desk.sign_in(label_address, label_store.accounts.by_name("rae")).new_page()
    page.goto(f"{label_address}/train/#live")
    page.locator("#live-run .card").wait_for()
    return page


def test_a_researcher_starts_a_run_from_the_empty_page_and_takes_it_from_the_queue(live, label_store):
    expect(live.locator("#live-run")).to_contain_text("It needs a policy, prompts and labelers.")
    expect(live.locator("#live-figures")).to_be_hidden()
    expect(live.locator("#live-from input")).to_have_value("p1, newest")
    picture(live, "live-empty")
    live.locator("#live-max_labels input").fill("300")
    live.keyboard.press("Tab")
    live.locator("#live-start").click()
    expect(live.locator("#live-status")).to_contain_text("is queued")
    expect(live.locator("#live-start")).to_be_hidden()
    (run,) = label_store.runs.all()
    assert (run.kind, run.settings["from"], run.settings["max_labels"]) == ("online", "p1", 300)
    expect(live.locator(f"#live-run a[href='#runs/{run.public}']").first).to_be_visible()
    picture(live, "live-queued")
    live.locator("#live-stop").click()
    expect(live.locator("#live-start")).to_be_visible()
    expect(live.locator("#live-stop")).to_be_hidden()
    assert label_store.runs.get(run.id).state == "cancelled"


def test_a_label_changes_the_figures_and_nothing_is_redrawn_without_one(live, label_store):
    rows = OnlineRunRows(label_store).start().fill()
    expect(live.locator("#figure-labels b")).to_have_text(
        "148"
    )  # 48 + 12 against the start, 2 x 24, 40 of the active arm
    expect(live.locator("#figure-win_rate b")).to_contain_text("of 60")
    expect(live.locator("#figure-recent_wins b")).to_contain_text("of 50")
    expect(live.locator("#live-published")).to_contain_text("of 12")
    # 64 labels at update 5, 40 at update 2, which is the last one 20 labels ago
    expect(live.locator("#live-change")).to_contain_text("the last 24 labels")
    expect(live.locator("#live-change")).to_contain_text("0.60 → 1.50 nats per answer")
    wait_for_refreshes(live, 2)
    live.evaluate("document.querySelector('#live-figures .tiles').dataset.mine = ''")
    wait_for_refreshes(live, 2)
    expect(live.locator("#live-figures [data-mine]")).to_have_count(1)
    for name, width, scheme in (("wide", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 390, "light")):
        live.set_viewport_size({"width": width, "height": 844})
        live.emulate_media(color_scheme=scheme)
        assert live.evaluate("document.documentElement.scrollWidth") <= width
        picture(live, f"live-{name}")
    rows.answer_all("l")
    expect(live.locator("#figure-labels b")).to_have_text("149")
    expect(live.locator("#live-figures [data-mine]")).to_have_count(0)
    label_store.runs.finish(rows.run.id, "done")
    expect(live.locator("#live-start")).to_be_visible()
    expect(live.locator("#figure-at_work")).to_have_count(0)


def test_the_loop_leads_to_labels_and_figures_while_an_online_run_works(live, label_store):
    rows = OnlineRunRows(label_store).start()
    live.locator("#nav a", has_text="Loop").click()
    expect(live.locator("#loop-next")).to_contain_text("the online run learns from it")
    live.locator("#loop-next a[href='#live']").click()
    expect(live.locator("#page-live h1")).to_be_visible()
    label_store.runs.finish(rows.run.id, "done")

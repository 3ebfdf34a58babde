# SPDX-License-Identifier: Apache-2.0
"""A person's way through the app in a real browser.

Sign in, rank ten pairs by key, see a training run finish, download.

Every request that leaves 127.0.0.1 fails the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from data import Store
from tests.support.browsing import MARKS, sign_in, visit

pytestmark = MARKS


@pytest.fixture
def disputed(served_home) -> Iterator[Store]:
    """The server's store, in which two people agree on one pair and disagree on another."""
    store = Store(served_home)
    people = [store.accounts.by_name(name) or store.accounts.add(name, "labeler") for name in ("bo", "cy")]
    for pair, verdicts in zip(store.pairs.all()[-2:], (("left", "left"), ("left", "right_much")), strict=True):
        for person, verdict in zip(people, verdicts, strict=True):
            about = {"pair_id": pair.id, "labeler_id": person.id, "left_id": pair.first_id, "right_id": pair.second_id}
            name = f"{person.name}-{pair.id}"
            store.insert("assignments", {"id": name, **about, "expires_at": "", "created_at": ""})
            store.comparisons.record(id=name, assignment_id=name, verdict=verdict, source="person", **about)
    yield store
    store.close()


def test_a_labeler_ranks_ten_pairs_by_key_and_then_a_reward_model_is_trained_and_the_labels_downloaded(
    page, server, tmp_path
):
    sign_in(page, server, "lab")
    desk = page.locator("#desk")
    expect(desk).to_have_attribute("data-assignment", re.compile("."))
    for number in range(1, 11):
        seen = desk.get_attribute("data-assignment")
        page.keyboard.press("1")
        expect(desk).not_to_have_attribute("data-assignment", seen)
        expect(page.locator("#status")).to_contain_text("Recorded: A much better.")
        expect(page.locator("#header")).to_contain_text(f"{number} today")

    page.context.clear_cookies()
    sign_in(page, server, "rae")
    visit(page, server, "loop")
    expect(page.locator(".station", has_text="Comparisons")).to_contain_text("10 by people")

    visit(page, server, "export")
    page.locator("#make-export").click()
    expect(page.locator("#page-export [role=status]")).to_contain_text("10 rows written")
    with page.expect_download() as download:
        page.locator("#export-files a").first.click()
    download.value.save_as(tmp_path / "labels.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert len(rows) == 10
    assert all(row["source"] == "person" and {"prompt", "chosen", "rejected"} <= set(row) for row in rows)

    visit(page, server, "runs")
    expect(page.locator("#start-run")).to_be_visible()  # no run yet: the form is open
    page.get_by_role("tab", name="Reward model").click()
    page.locator("#reward-from input").fill("p1")
    page.keyboard.press("Tab")
    page.locator("#start-run").click()
    expect(page.locator("#page-runs [role=status]:visible", has_text="run1 is queued")).to_be_visible()
    expect(page.locator("#page-runs [role=status]:visible", has_text="Memory: about")).to_be_visible()
    expect(page.locator("#run-head")).to_contain_text("Reward model")
    expect(page.locator("#run-head .card > span").first).to_have_text(re.compile("done|failed"))
    expect(page.locator("#run-head")).to_contain_text("r1")


def test_only_the_page_on_the_screen_asks_the_server(page, server):
    asked: list[int] = []
    page.on(
        "request", lambda sent: asked.append(sent.post_data_json["fn_index"]) if "run/predict" in sent.url else None
    )
    sign_in(page, server, "rae")
    for name in ("loop", "export"):
        visit(page, server, name)
        before = len(asked)
        while len(asked) < before + 4:
            page.wait_for_timeout(100)
    assert len(set(asked)) == 2  # the looks of the two pages; neither has another handler at its opening


def test_a_labeler_is_not_let_into_the_researchers_pages(page, server):
    sign_in(page, server, "lab")
    page.locator("#screen").wait_for()
    assert page.goto(f"{server.root}/train/").status == 403
    assert page.goto(f"{server.root}/train/exports/labels.jsonl").status == 403


def test_a_researcher_decides_a_disputed_pair_without_seeing_the_votes_first(page, server, disputed):
    sign_in(page, server, "rae")
    visit(page, server, "labels")
    expect(page.locator("#labels-summary")).to_contain_text("2 pairs")
    expect(page.locator("#dispute .asked")).to_contain_text("thank-you note")
    expect(page.locator("#page-labels")).not_to_contain_text("bo: ")
    page.locator("#show-votes").click()
    expect(page.locator("#votes")).to_contain_text("bo: ")  # and perhaps of whoever else was handed the pair meanwhile
    page.locator("#verdict-left").click()
    expect(page.locator("#dispute-told")).to_contain_text("Recorded: A better.")
    (decided,) = disputed.adjudications.current()
    assert (decided.verdict, decided.votes_seen) == ("left", True)
    expect(page.locator("#labels-table")).to_contain_text("bo")


def test_no_page_scrolls_sideways(page, server):
    sign_in(page, server, "rae")
    for name in ("loop", "data", "clinic", "labels", "reward", "policies", "runs", "export"):
        visit(page, server, name)
        if name == "export":
            expect(page.locator("#export-models code").first).to_contain_text(
                "preference-loop export p1 --what policy --id p1 --home /"
            )
        for width in (390, 2560):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)


def test_the_side_bar_stays_in_sight_while_the_page_scrolls(page, server):
    sign_in(page, server, "rae")
    page.set_viewport_size({"width": 1280, "height": 400})
    visit(page, server, "loop")
    page.locator(".station").first.wait_for()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert page.evaluate("scrollY") > 0
    top = page.evaluate("document.querySelector('#nav').getBoundingClientRect().top")
    assert 0 <= top < 20

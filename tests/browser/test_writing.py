# SPDX-License-Identifier: Apache-2.0
"""Writing and reviewing in a real browser.

Written, sent back, written anew, accepted, and there as an instruction row.
"""

from __future__ import annotations

from playwright.sync_api import expect

from data.store import Store
from tests.support.browsing import MARKS, picture, sign_in

pytestmark = MARKS
ANSWER = "Dear friend,\nthank you! 고마워요."


def become(page, server, name: str, place: str) -> None:
    page.context.clear_cookies()
    sign_in(page, server, name)
    page.goto(f"{server.root}/label/{place}")


def test_an_answer_is_written_sent_back_written_anew_and_accepted(page, server, served_home):
    page.set_viewport_size({"width": 390, "height": 844})
    become(page, server, "lab", "")
    page.locator("a[href=write]").wait_for()
    picture(page, "label-390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("a[href=write]").click()
    prompt = page.locator("#prompt .text").inner_text()
    page.locator("#text").fill("thx")
    picture(page, "write-390")
    page.locator("#send").click()
    expect(page.locator("[role=status]")).to_have_text("Recorded. Thank you.")
    expect(page.locator("#prompt .text")).not_to_have_text(prompt)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    become(page, server, "rae", "review")
    expect(page.locator("#answer")).to_have_text("thx")
    page.locator("#send_back").click()
    expect(page.locator("[role=alert]")).to_contain_text("what to change")
    page.locator("#reason").fill("Too curt.")
    picture(page, "review-390")
    page.locator("#send_back").click()
    expect(page.locator("main")).to_contain_text("No answers wait for your review.")

    become(page, server, "lab", "write")
    expect(page.locator("[role=alert]")).to_have_text("Sent back to you: Too curt.")
    expect(page.locator("#prompt .text")).to_have_text(prompt)
    page.locator("#text").fill(ANSWER)
    page.locator("#send").click()

    page.set_viewport_size({"width": 1440, "height": 900})
    become(page, server, "rae", "review")
    expect(page.locator("#answer")).to_have_text(ANSWER)
    picture(page, "review-1440")
    page.locator("#accept").click()
    expect(page.locator("[role=status]")).to_have_text("Recorded. Thank you.")
    store = Store(served_home)
    assert [(row.instruction, row.output) for row in store.instructions.all()] == [(prompt, ANSWER)]
    store.close()

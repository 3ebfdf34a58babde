# SPDX-License-Identifier: Apache-2.0
"""The Data page in a real browser: a person uploads a file, previews it, imports it without its bad row, and reads it."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.support.browsing import MARKS, picture, sign_in, visit, wait_for_refreshes

pytestmark = MARKS
WIDTHS = (1440, 390)
ROWS = [
    {"instruction": "책을 준 미나에게 고맙다고 해 줘.", "output": "미나야, 고마워!"},
    {"instruction": "Name a colour.", "output": "Blue."},
    {"instruction": "a"},
]

ARABIC, HEBREW = "ما عاصمة مصر؟", "קהיר."
NAMED = "ملف عربي"
CELLS = """(words) => {
    const page = document.querySelector("#page-data"), walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
    const found = {};
    for (let node; node = walker.nextNode();) {
        const text = node.textContent.trim(), cell = node.parentElement.closest("td, [role=gridcell]");
        if (!cell || !words.includes(text) || !cell.checkVisibility()) continue;
        const edges = (from, to) => {
            const range = document.createRange();
            range.setStart(node, from);
            range.setEnd(node, to);
            return range.getBoundingClientRect();
        };
        const start = node.textContent.indexOf(text), end = start + text.length, box = cell.getBoundingClientRect();
        const first = edges(start, start + 1), last = edges(end - 1, end), whole = edges(start, end);
        const right = box.right - whole.right < whole.left - box.left;
        if (whole.width) found[text] = { reversed: first.left > last.left, right };
    }
    return found;
}"""
"""Return for each of the words that a cell shows whether it runs from the right and stands at the right of its cell."""


def test_a_researcher_uploads_looks_imports_and_reads(page, server, tmp_path):
    file = tmp_path / "some rows.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    sign_in(page, server, "rae")
    visit(page, server, "data")
    expect(page.locator("#data-rows .empty")).to_contain_text("Upload a file above")
    picture(page, "data-empty")
    page.locator("#data-file").set_input_files(file)
    expect(page.locator("#data-sent")).to_contain_text("is in the import folder")
    expect(page.locator("#data-files input")).to_have_value(file.name)
    page.locator("#data-look").click()
    expect(page.locator("#data-preview")).to_contain_text("2 good")
    expect(page.locator("#data-preview")).to_contain_text("line 3: the row has no 'output'")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture(page, f"data-preview-{width}")
    page.locator("#data-import").click()
    expect(page.locator("#data-told")).to_contain_text("with “Leave bad rows out”")
    page.locator("#data-skip input").check()
    page.locator("#data-import").click()
    expect(page.locator("#data-told")).to_contain_text("2 rows added, 0 already stored, 1 rejected.")
    expect(page.locator("#data-counts")).to_contain_text(file.name)
    page.locator("#data-rows summary", has_text="미나").first.click()
    expect(page.locator("#data-rows details[open] .log")).to_have_text("미나야, 고마워!")
    wait_for_refreshes(page)
    expect(page.locator("#data-rows details[open]")).to_have_count(1)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture(page, f"data-{width}")


def test_arabic_and_hebrew_in_the_cells_of_its_tables_begin_at_the_right(page, server, tmp_path):
    file = tmp_path / f"{NAMED}.jsonl"
    file.write_text(json.dumps({"سؤال": ARABIC, "prompt": HEBREW, "x": "Latin"}, ensure_ascii=False), encoding="utf-8")
    sign_in(page, server, "rae")
    visit(page, server, "data")
    page.locator("#data-file").set_input_files(file)
    expect(page.locator("#data-files input")).to_have_value(file.name)
    page.locator("#data-look").click()
    page.locator("#data-mapping button").first.click()
    expect(page.locator("#data-columns [role=gridcell]", has_text=ARABIC).filter(visible=True).first).to_be_visible()
    words = [ARABIC, HEBREW, "سؤال", "Latin"]
    right, left = {"reversed": True, "right": True}, {"reversed": False, "right": False}
    assert page.evaluate(CELLS, words) == {ARABIC: right, HEBREW: right, "سؤال": right, "Latin": left}
    picture(page, "data-columns-arabic")
    page.locator("#data-import").click()
    source = page.locator("#data-counts td", has_text=NAMED)
    expect(source).to_be_visible()
    assert source.get_attribute("dir") == "auto"
    assert page.evaluate(CELLS, [file.name]) == {file.name: right}

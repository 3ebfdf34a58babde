# SPDX-License-Identifier: Apache-2.0
"""The Data page in a real browser: a person uploads a file, previews it, imports it without its bad row, and reads it."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from data import Store
from data.transfer.importing import import_file
from tests.support.browsing import MARKS, picture, sign_in, visit, wait_for_refreshes
from tests.support.data.import_rows import preference, write

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


def test_chosen_rows_are_retracted_taken_back_and_stay_checked_meanwhile(page, server, served_home, tmp_path):
    store = Store(served_home)
    import_file(store, write(tmp_path / "notes.jsonl", [preference(number) for number in range(3)]), "preferences")
    sign_in(page, server, "rae")
    visit(page, server, "data")
    rows, said = page.locator("#imported-rows .row"), page.locator("#imported-said")
    expect(rows).to_have_count(3)
    rows.nth(0).get_by_role("checkbox").check()
    rows.nth(1).locator("summary").click()
    expect(rows.nth(1).locator(".asked")).to_be_visible()
    wait_for_refreshes(page)
    expect(rows.nth(0).get_by_role("checkbox")).to_be_checked()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture(page, f"data-imported-{width}")
    page.locator("#imported-retract").click()
    expect(said).to_contain_text("Rows retracted: 1. No model was trained on them.")
    expect(rows.get_by_text("retracted", exact=True)).to_have_count(1)
    assert store.comparisons.count("import") == 2
    page.locator("#imported-rows [data-check-all]").check()
    page.locator("#imported-retract").click()
    expect(said).to_contain_text("Rows retracted: 2.")
    page.locator("#imported-rows [data-check-all]").check()
    page.locator("#imported-restore").click()
    expect(said).to_contain_text("Rows taken back: 3.")
    assert store.comparisons.count("import") == 3
    store.close()

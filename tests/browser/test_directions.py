# SPDX-License-Identifier: Apache-2.0
"""Arabic, Hebrew and mixed texts in a real browser: direction and order of the glyphs on every page that shows texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data import Store
from data.tables.projects import STANDARD
from reward.report.build import ScoredComparison, build_report
from tests.support.browsing import MARKS, WAIT, picture
from tests.support.full_home import disagree
from tests.support.label_desk import address_to_write

pytestmark = MARKS
PROMPT = "ما عاصمة مصر (Egypt)؟"
NAME = "سعاد (Suad)."
ANSWERS = "عاصمة مصر هي القاهرة (Cairo)، وهي مدينة كبيرة.", "الجواب: Cairo. انتهى"
SHOWN = """(words) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), lines = [];
    for (let node; node = walker.nextNode();) {
        const text = node.textContent.trimStart(), from = node.textContent.length - text.length, box = node.parentElement;
        if (!words.some((each) => text.startsWith(each)) || !box.checkVisibility()) continue;
        const left = (at) => { const range = document.createRange(); range.setStart(node, from + at); range.setEnd(node, from + at + 1); return range.getClientRects()[0]; };
        const rects = [...text.trimEnd()].map((_, at) => left(at)).filter(Boolean).filter((rect) => rect.top < left(0).bottom);
        const style = getComputedStyle(box);
        lines.push({ text, direction: style.direction, bidi: style.unicodeBidi, first: rects[0].left, last: rects.at(-1).left });
    }
    return lines;
}"""
"""Return each visible text that begins with one of the words: its direction, and the left edges of the first line's
first and last character."""
EDGE = """(node, part) => {
    const range = document.createRange(), at = node.textContent.indexOf(part);
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect().left;
}"""
FIND = "(words) => [...document.querySelectorAll('.answer .text')].find((box) => box.textContent.includes(words)).firstChild"
ORDER = f"""() => {{
    const edge = {EDGE}, node = ({FIND})("(Cairo)");
    return {{ cairo: edge(node, "Cairo"), second: edge(node, "وهي"), first: edge(node, "عاصمة"), stop: edge(node, ".") }};
}}"""
LINES = f"""() => {{
    const node = ({FIND})("Hello"), left = (at) => {{
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        return range.getBoundingClientRect().left;
    }};
    return {{ hello: left(0), dot: left(5), arabic: left(7), arabic_dot: left(node.length - 1) }};
}}"""


def wrong(page, name: str) -> list[str]:
    """Return a line for each Arabic text that does not begin at the right; one line if the page shows none."""
    shown = page.evaluate(SHOWN, [PROMPT[:6], ANSWERS[0][:6], ANSWERS[1][:6]])
    lines = [f"{name}: {row}" for row in shown if row["first"] <= row["last"]]
    lines += [f"{name}: {row}" for row in shown if (row["direction"], row["bidi"]) != ("rtl", "plaintext")]
    return lines if shown else [f"{name}: no Arabic text"]


@pytest.fixture(scope="module")
def label_store(served_home) -> Iterator[Store]:
    """A home whose newest texts are Arabic: rows, runs, an answer to review, and disputes."""
    store = Store(served_home)
    run = store.runs.enqueue("sample", {}, "rae")
    for number in range(12):
        prompt = store.prompts.add(f"{PROMPT} {number}", source="test")
        rows = [{"prompt_id": prompt.id, "model_name": str(n), "text": text} for n, text in enumerate(ANSWERS)]
        store.pairs.add(prompt.id, *store.completions.add_many(rows, run.id))
        if number % 2:  # the other prompts wait for a written answer
            store.instructions.add(f"{PROMPT} {number}", ANSWERS[0], source="test")
    store.runs.claim()
    store.runs.finish(run.id, "done", report={"notes": []})
    author = store.accounts.add("ana", "labeler")
    asked = store.prompts.all(split="train")[-1]
    store.demonstrations.write("a" * 16, asked.id, author.id, ANSWERS[0])
    scored = [ScoredComparison(n, PROMPT, *ANSWERS, (-1) ** n * n / 5, 0.0, 1.0, 1 + n % 3) for n in range(24)]
    store.reward_models.add(name="judge", base="b", adapter="a", report=build_report(scored))
    disagree(store, (NAME, "cy"))
    yield store
    store.close()


@pytest.fixture
def begun(label_store, desk):
    """A labeler whose first item is Arabic."""
    desk.begin(texts=ANSWERS, pairs=0)
    prompt = label_store.prompts.add(f"{PROMPT} {desk.name}", source="test")
    ids = label_store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": str(n), "text": text} for n, text in enumerate(ANSWERS)
    )
    label_store.projects.move_pairs(desk.project.id, [label_store.pairs.add(prompt.id, *ids).id])
    return desk


def test_the_clauses_of_a_mixed_sentence_follow_each_other_from_the_right(begun, label_address):
    page = begun.open(label_address, viewport={"width": 1280, "height": 800})
    picture(page, "label-arabic")
    place = page.evaluate(ORDER)
    assert place["first"] > place["cairo"] > place["second"] > place["stop"]
    assert wrong(page, "label") == []
    assert page.locator(".answer .text[lang=und-Arab]").count() == 2
    page.keyboard.press("m")
    page.locator(".text.rich").first.wait_for()
    assert wrong(page, "formatted") == []
    page.keyboard.press("d")
    page.locator("#answers mark").first.wait_for()
    assert page.locator(".answer .text").first.evaluate("(box) => getComputedStyle(box).direction") == "rtl"
    page.keyboard.press("2")
    page.locator("#empty").wait_for()
    page.keyboard.press("h")
    page.locator(".past span").first.wait_for()
    assert wrong(page, "history") == []


def test_a_ranking_of_arabic_texts_begins_at_the_right(label_store, desk, label_address):
    desk.begin(texts=(*ANSWERS, f"{ANSWERS[0]} 3"), pairs=1)
    page = desk.open(label_address)
    assert wrong(page, "rank") == []


def test_the_pages_beside_the_items_show_arabic_from_the_right(label_store, desk, label_address):
    desk.begin()
    label_store.projects.add_members(STANDARD, [desk.account])
    page = desk.sign_in(label_address).new_page()
    lines = []
    taught = "SELECT 1 FROM instructions WHERE prompt_id = ?"
    arabic = (prompt.id for prompt in label_store.prompts.all(split="train") if prompt.text.startswith(PROMPT))
    first = next(id for id in arabic if not label_store.value(taught, [id]))
    write = address_to_write(label_address, label_store, first)
    places = {"rate": f"{label_address}/label/rate", "write": write, "review": f"{label_address}/label/review"}
    for name, part in (("rate", "#point-5"), ("write", "#send"), ("review", "#accept")):
        page.goto(places[name])
        page.locator(part).wait_for()
        lines += wrong(page, name)
        picture(page, f"{name}-arabic")
    assert lines == []


@pytest.mark.parametrize("name", ["data", "labels", "runs", "reward"])
def test_the_researcher_s_pages_show_arabic_from_the_right(label_store, desk, label_address, name):
    page = desk.sign_in(label_address, label_store.accounts.by_name("rae")).new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{label_address}/train/#{name}")
    page.locator(f"#page-{name} [dir=auto][lang=und-Arab]").first.wait_for(state="attached")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    picture(page, f"{name}-arabic")
    assert wrong(page, name) == []


def test_each_line_of_a_text_has_its_own_direction_also_while_writing(label_store, desk, label_address):
    desk.begin(texts=("Hello.\nشكرا.", "English."), pairs=1)
    page = desk.open(label_address)
    edges = page.evaluate(LINES)
    assert edges["hello"] < edges["dot"]
    assert edges["arabic"] > edges["arabic_dot"]
    styles = "(box) => [getComputedStyle(box).unicodeBidi, getComputedStyle(box).direction]"
    label_store.projects.add_members(STANDARD, [desk.account])
    page.goto(f"{label_address}/label/write")
    page.locator("#text").fill("شكرا")
    assert page.locator("#text").evaluate(styles) == ["plaintext", "rtl"]

# SPDX-License-Identifier: Apache-2.0
"""The labeler's page in a real browser.

Keys, mouse, a phone, Korean, two tabs, a cut network, a restart, hostile answers.

One server and one browser serve the whole file. Every test has a labeler and a labeling project of its own. What was
recorded is read from the store, never from the page.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from playwright.sync_api import expect

from data import Store
from data.errors import StoreTrouble
from data.tables.forms import Form
from labeling.accounts.sign_in import COOKIE
from labeling.session import Session
from tests.labeling.page.test_markdown import HARMFUL
from tests.support.browsing import MARKS, WAIT

TRICKS = '<img src=x onerror="window.ran=1"> ${window.ran=2} {{value}} C:\\new `x`'
HASTE = """() => {
    const wait = setTimeout;
    window.pauses = [];
    window.setTimeout = (work, pause, ...more) => { if (pause >= 2000) pauses.push(pause); return wait(work, pause / 100, ...more); };
}"""
NO_DRAFT_IN_TIME = (
    "() => { const wait = setTimeout; window.setTimeout = (work, pause) => (pause === 1000 ? 1 : wait(work, pause)); }"
)
PHONE = {"viewport": {"width": 390, "height": 844}}
pytestmark = MARKS


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


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("label"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def address(store) -> Iterator[str]:
    with served(store) as there:
        yield there


@pytest.fixture
def desk(store, browser, request):
    """desk(form, pairs=2) -> a labeler with a project of that form.

    `.open()` gives them a tab, `.left` is what went to other hosts.
    """
    name = request.node.name[:40]
    account = store.accounts.add(f"{name}", "labeler")
    made = SimpleNamespace(account=account, left=[], contexts=[])

    def begin(form=None, texts=("plain answer", "kind answer"), pairs=2):
        made.project = project = store.projects.add(name, form=form or Form())
        store.projects.add_members(project.id, [account])
        for number in range(pairs):
            prompt = store.prompts.add(f"{name}: write note {number}.", source="test")
            rows = [
                {"prompt_id": prompt.id, "model_name": str(n), "text": text, "number": 0}
                for n, text in enumerate(texts)
            ]
            ids = store.completions.add_many(rows)
            if len(ids) == 2:
                store.projects.move_pairs(project.id, [store.pairs.add(prompt.id, *ids).id])
            else:
                store.rankings.add_task(prompt.id, ids, project_id=project.id)
        return made

    def sign_in(address, who=account, **settings):
        context = browser.new_context(**({"locale": "en-US"} | settings))
        made.contexts.append(context)
        token = store.tokens.issue("session", who.id, 600)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        return context

    def tab(context, address):
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((address, "data:", "blob:")) else made.left.append(sent.url),
        )
        page.goto(f"{address}/label/")
        page.locator("#screen > *").first.wait_for()
        return page

    made.begin, made.sign_in, made.tab = begin, sign_in, tab
    made.open = lambda address, **settings: tab(sign_in(address, **settings), address)
    made.said = lambda: [event.verdict for event in store.comparisons.events() if event.labeler_id == account.id]
    yield made
    for context in made.contexts:
        context.close()


def tells(page, text):
    expect(page.locator("#status")).to_contain_text(text)


def shows(page, text, place="#desk"):
    expect(page.locator(place)).to_contain_text(text)


def shown(page):
    return page.locator("#desk").get_attribute("data-assignment")


def kept(store, page):
    """The draft of the item on the screen, as it is stored."""
    return store.value("SELECT content FROM drafts WHERE assignment_id = ?", [shown(page)]) or ""


def until(found, rest=time.sleep):
    """Wait for what the server does behind the page's back.

    `rest(seconds)`, if given, lets the browser go on meanwhile.
    """
    end = time.monotonic() + WAIT / 1000
    while not found() and time.monotonic() < end:
        rest(0.05)
    return found()


def test_a_labeler_ranks_skips_flags_and_undoes_by_keyboard(store, desk, address):
    desk.begin(texts=(f"{TRICKS} plain", f"{TRICKS} kind"), pairs=3)
    page = desk.open(address)
    texts = page.locator(".answer .text").all_inner_texts()
    assert sorted(texts) == [f"{TRICKS} kind", f"{TRICKS} plain"]
    assert page.evaluate("window.ran") is None

    first = shown(page)
    page.keyboard.press("2")
    tells(page, "Recorded: A better.")
    (event,) = store.comparisons.current(labeler_id=desk.account.id)
    assert (event.verdict, store.completions.get(event.left_id).text) == ("left", texts[0])
    assert 0 <= store.active_time.get(event.id) <= event.seconds
    page.keyboard.press("u")
    tells(page, "Undone.")
    assert shown(page) == first
    page.keyboard.press("7")
    tells(page, "Recorded: B much better.")
    page.keyboard.press("s")
    page.locator("#skip_unclear").wait_for()
    page.keyboard.press("1")
    tells(page, "Skipped.")
    page.keyboard.press("f")
    page.locator("#flag_words").wait_for()
    page.keyboard.press("Tab")
    page.locator(".panel:visible input").fill("names its author")
    page.keyboard.press("Enter")
    shows(page, "No items are left for you.")
    assert desk.said() == ["left", "withdrawn", "right_much"]
    mine = "SELECT kind, reason FROM skips JOIN assignments ON id = assignment_id WHERE labeler_id = ? ORDER BY skips.created_at"
    assert [tuple(row.values()) for row in store.rows(mine, [desk.account.id])] == [
        ("skip", "unclear"),
        ("flag", "names its author"),
    ]
    for line in ("Press undo again to undo the verdict before it.", "Undone."):
        page.keyboard.press("u")
        tells(page, line)
    assert shown(page) == first
    assert desk.said() == ["left", "withdrawn", "right_much", "withdrawn"]
    assert desk.left == []


def test_nothing_in_a_formatted_answer_loads_runs_covers_or_takes_an_id(desk, address):
    everything = "\n\n".join(HARMFUL)
    desk.begin(form=Form(markdown=True), texts=(everything, f"{everything}\n\nkind"), pairs=1)
    page = desk.open(address)
    shows(page, "over", ".answer >> nth=0")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert page.locator("#screen :is(img, iframe, form, input, video, script, style, svg, a)").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('#desk [id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    on_top = "(id) => { const box = document.getElementById(id).getBoundingClientRect();"
    on_top += " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest('button')?.id === id; }"
    assert all(page.evaluate(on_top, name) for name in ("left", "tie", "right_much", "skip"))
    page.keyboard.press("1")
    shows(page, "No items are left for you.")
    assert desk.left == []


def test_on_a_phone_in_korean_and_dark_everything_is_reached_by_touch(desk, address):
    desk.begin()
    page = desk.open(address, locale="ko-KR", color_scheme="dark", has_touch=True, **PHONE)
    shows(page, "A가 훨씬 낫다")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    one, two = (page.locator(".answer").nth(number).bounding_box() for number in (0, 1))
    assert one["y"] + one["height"] <= two["y"]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in dark[4:-1].split(",")) < 60
    page.locator("#tie").tap()
    tells(page, "기록됨: 비슷하다.")
    page.locator("#to_en").tap()
    shows(page, "A much better")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.locator("#undo").tap()
    tells(page, "Undone.")
    assert desk.said() == ["tie", "withdrawn"]


def test_keys_count_by_their_place_under_hangul_and_never_while_writing(desk, address):
    desk.begin()
    page = desk.open(address)
    press = "([key, code, more]) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, ...more }))"
    page.evaluate(press, ["ㄴ", "KeyS", {}])
    page.locator("#skip_unclear").wait_for()
    page.keyboard.press("Escape")
    page.evaluate(press, ["1", "Digit1", {"isComposing": True}])
    page.evaluate(press, ["1", "Digit1", {"ctrlKey": True}])
    page.evaluate(press, ["!", "Digit1", {"shiftKey": True}])
    page.keyboard.press("r")
    page.keyboard.type("12 s u")
    assert desk.said() == []
    page.keyboard.press("Escape")
    page.evaluate(press, ["&", "Digit1", {}])  # a French keyboard's 1
    tells(page, "Recorded: A much better.")
    assert desk.said() == ["left_much"]


def test_a_form_asks_for_what_is_missing_and_a_draft_survives_a_reload(store, desk, address):
    desk.begin(form=Form(rationale="required", aspects=("helpful", "true"), edit=True), pairs=1)
    page = desk.open(address)
    page.keyboard.press("6")
    tells(page, "Choose for each aspect")
    page.keyboard.press("3")
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.keyboard.type("Better: ")
    for other_side_and_back in ("2", "6"):
        page.keyboard.press("Escape")
        page.keyboard.press(other_side_and_back)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("It is kind.")
    began = time.monotonic()
    assert until(lambda: "It is kind." in kept(store, page))
    assert time.monotonic() - began < 30
    assert desk.said() == []
    page.on("dialog", lambda asks: asks.accept())
    page.reload()
    page.locator("#screen > *").first.wait_for()
    assert page.locator("#rationale").input_value() == "It is kind."
    right = page.locator(".answer .text").nth(1).inner_text()
    assert page.locator("#edit").input_value() == f"Better: {right}"
    page.keyboard.press("Enter")
    shows(page, "No items are left for you.")
    (event,) = store.comparisons.current(labeler_id=desk.account.id)
    assert (event.verdict, store.comparisons.rationale(event.id)) == ("right", "It is kind.")
    assert store.comparisons.aspects(event.id) == {"helpful": "right", "true": "tie"}
    edit = store.comparisons.edit(event.id)
    assert (edit.edited_id, edit.text) == (event.right_id, f"Better: {right}")


def test_what_is_being_written_stays_through_another_view_another_language_and_a_cut_network(store, desk, address):
    desk.begin(form=Form(aspects=("helpful",)), pairs=1)
    page = desk.open(address)
    page.keyboard.press("r")
    page.keyboard.type("It is ")
    assert until(lambda: "It is" in kept(store, page))
    page.keyboard.type("kind")
    page.keyboard.press("Escape")
    page.locator("[name=helpful][value=right]").check()
    page.keyboard.press("m")
    expect(page.locator("#view")).to_have_text("mPlain text")
    assert page.locator("#rationale").input_value() == "It is kind"
    page.route("**/label/do/*", lambda route: route.abort())
    page.keyboard.press("r")
    page.keyboard.press("Home")
    page.keyboard.type("I think: ")
    page.keyboard.press("Escape")
    page.locator("#to_ko").click()
    tells(page, "서버가 응답하지 않습니다.")
    page.unroute("**/label/do/*")
    tells(page, "서버가 다시 응답합니다.")
    expect(page.locator("#rationale")).to_have_attribute("placeholder", "이유 (선택)")
    assert page.locator("#rationale").input_value() == "I think: It is kind"
    assert page.locator("#rationale").evaluate("(box) => box.selectionStart") == len("I think: ")
    assert page.locator("[name=helpful][value=right]").is_checked()
    assert until(lambda: "I think: It is kind" in kept(store, page))


def test_an_edit_that_is_refused_stays_where_it_was_written(store, desk, address):
    desk.begin(form=Form(edit=True), pairs=1)
    page = desk.open(address)
    page.keyboard.press("2")
    shows(page, "No items are left for you.")
    page.keyboard.press("u")
    tells(page, "Undone.")
    page.keyboard.press("e")
    page.keyboard.press("2")
    page.keyboard.insert_text("Better: ")
    assert until(lambda: "Better" in kept(store, page))
    page.locator("#edit").fill("x" * 21_000)
    page.keyboard.press("Control+Enter")
    tells(page, "The edited answer has 21000 characters. The limit is 20000.")
    assert page.locator("#edit").input_value() == "x" * 21_000
    page.locator("#edit").fill("kinder")
    page.keyboard.press("Control+Enter")
    shows(page, "No items are left for you.")
    (event,) = store.comparisons.current(labeler_id=desk.account.id)
    assert store.comparisons.edit(event.id).text == "kinder"


def test_what_was_written_last_is_kept_where_one_looks_back_or_undoes_and_stands_with_its_own_item_alone(
    store, desk, address
):
    desk.begin()
    page = desk.open(address)
    page.evaluate(NO_DRAFT_IN_TIME)
    box = page.locator("#rationale")
    first = shown(page)
    page.keyboard.press("r")
    page.keyboard.type("the first")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    tells(page, "Recorded")
    second = shown(page)
    assert box.input_value() == ""
    for way, back in (("ArrowLeft", "Escape"), ("u", "2")):
        page.keyboard.press("r")
        page.keyboard.press("End")
        page.keyboard.type(f"{way} ")
        page.keyboard.press("Escape")
        page.keyboard.press(way)
        expect(page.locator("#desk")).to_have_attribute("data-assignment", first)
        assert box.input_value() == "the first"
        page.keyboard.press(back)
        expect(page.locator("#desk")).to_have_attribute("data-assignment", second)
    assert box.input_value() == "ArrowLeft u "
    (event,) = store.comparisons.current(labeler_id=desk.account.id)
    assert store.comparisons.rationale(event.id) == "the first"


def test_answers_are_ranked_by_keys_and_by_drag_and_an_unchanged_order_is_asked_about(store, desk, address):
    desk.begin(texts=("one", "two", "three"))
    page = desk.open(address)
    page.keyboard.press("Enter")
    tells(page, "Press Enter again to send it as it is.")
    letters = page.locator("#ranks .card").evaluate_all(
        "(all) => all.map((card) => card.querySelector('.text').textContent)"
    )
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("1")
    tells(page, "Answer C: place 1.")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("t")
    tells(page, "Answer B: place 2, tied.")
    page.keyboard.press("Enter")
    tells(page, "Recorded: C › A=B.")
    (ranking,) = store.rankings.current(labeler_id=desk.account.id)
    places = {store.completions.get(id).text: place for id, place in ranking.places.items()}
    assert [places[text] for text in letters] == [2, 2, 1]
    assert not ranking.unchanged

    grip, top = page.locator("#ranks .grip").nth(2).bounding_box(), page.locator("#ranks .place").nth(0).bounding_box()
    page.mouse.move(grip["x"] + 3, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 3, top["y"] + top["height"] / 2, steps=4)
    page.mouse.up()
    tells(page, "Answer C: place 1, tied.")
    page.locator("#send_order").click()
    shows(page, "No items are left for you.")
    assert sorted(store.rankings.current(labeler_id=desk.account.id)[-1].places.values()) == [1, 1, 2]


def test_by_mouse_one_walks_back_and_corrects(store, desk, address):
    desk.begin()
    page = desk.open(address)
    first = shown(page)
    page.locator("#left").click()
    tells(page, "Recorded: A better.")
    page.locator("#history").click()
    page.locator("#history-list li button").click()
    shows(page, "To change it, choose another verdict.")
    assert shown(page) == first
    page.locator("#rationale").fill("a bell \x07")
    page.locator("#right_slightly").click()
    tells(page, "The text contains the character U+0007")
    assert shown(page) == first
    assert page.locator("#rationale").input_value() == "a bell \x07"
    page.locator("#rationale").fill("a bell")
    page.locator("#back").click()
    page.locator("#past").wait_for(state="detached")
    assert page.locator("#rationale").input_value() == ""
    page.locator("#history").click()
    page.locator("#history-list li button").click()
    page.locator("#past").wait_for()
    assert page.locator("#rationale").input_value() == "a bell"
    expect(page.locator("#right_slightly")).to_have_attribute("aria-pressed", "true")
    page.locator("#send").click()
    tells(page, "Changed from A better to B slightly better.")
    page.locator("#back").click()
    page.locator("#past").wait_for(state="detached")
    assert shown(page) != first
    (current,) = store.comparisons.current(labeler_id=desk.account.id)
    assert (current.verdict, current.assignment_id, store.comparisons.rationale(current.id)) == (
        "right_slightly",
        first,
        "a bell",
    )


def test_two_tabs_of_one_person_record_one_answer_and_the_other_moves_on(desk, address):
    desk.begin()
    context = desk.sign_in(address)
    one, two = desk.tab(context, address), desk.tab(context, address)
    first = shown(one)
    assert shown(two) == first
    one.keyboard.press("1")
    tells(one, "Recorded: A much better.")
    tells(two, "You continued in another tab.")
    assert shown(two) == shown(one) != first
    two.keyboard.press("7")
    shows(two, "No items are left for you.")
    shows(one, "No items are left for you.")
    assert desk.said() == ["left_much", "right_much"]


def test_an_answer_whose_acknowledgement_is_lost_is_sent_again_and_counts_once(desk, address):
    desk.begin()
    page = desk.open(address)
    first, lost = shown(page), []

    def cut(route):
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/label/do/answer", cut)
    page.keyboard.press("3")
    until(
        lambda: lost, rest=lambda seconds: page.wait_for_timeout(1000 * seconds)
    )  # a route's handler may end after the page has drawn
    tells(page, "Recorded: A slightly better.")
    assert lost == [200]
    assert shown(page) != first
    assert desk.said() == ["left_slightly"]


def test_an_answer_given_while_the_server_is_away_is_kept_past_a_closed_tab_and_counts_when_it_is_back(store, desk):
    desk.begin()
    with served(store) as address:
        context = desk.sign_in(address)
        page = desk.tab(context, address)
    page.keyboard.press("6")
    tells(page, "saved in this browser")
    assert desk.said() == []
    page.close(run_before_unload=False)
    with served(store, int(address.rpartition(":")[2])):
        page = desk.tab(context, address)
        tells(page, "The server is back. Recorded: B better.")
        page.keyboard.press("4")
        shows(page, "No items are left for you.")
    assert desk.said() == ["right", "tie"]


def test_a_page_that_was_open_while_the_server_restarted_goes_on_with_what_was_written(store, desk):
    desk.begin(pairs=3)
    with served(store) as address:
        page = desk.open(address)
        page.keyboard.press("6")
        tells(page, "Recorded: B better.")
        page.keyboard.press("r")
        page.keyboard.type("kinder")
        page.keyboard.press("Escape")
    page.keyboard.press("2")
    tells(page, "saved in this browser")
    with served(store, int(address.rpartition(":")[2])):
        tells(page, "The server is back. Recorded: A better.")
        page.keyboard.press("4")
        shows(page, "No items are left for you.")
    assert desk.said() == ["right", "left", "tie"]
    assert [
        store.comparisons.rationale(event.id) for event in store.comparisons.current(labeler_id=desk.account.id)
    ].count("kinder") == 1


def test_ten_people_who_answer_at_once_get_each_pair_once_and_every_answer_is_there(store, desk, address):
    desk.begin(pairs=30)
    people = [store.accounts.add(f"one of ten, {number}", "labeler") for number in range(10)]
    store.projects.add_members(desk.project.id, people)
    pages = [desk.open(address, who=each) for each in people]
    assert len({shown(page) for page in pages}) == 10
    for answered in range(1, 4):
        for page in pages:
            page.keyboard.press("1")
        for page in pages:
            shows(page, f"{answered} today", "#progress")
    said = [event for event in store.comparisons.events() if event.project_id == desk.project.id]
    assert len({event.pair_id for event in said}) == len(said) == 30
    assert [sum(event.labeler_id == each.id for event in said) for each in people] == [3] * 10


def test_an_answer_that_the_server_could_not_keep_stays_in_the_browser_and_counts_later(desk, address, monkeypatch):
    desk.begin()
    page = desk.open(address)
    full = StoreTrouble("feedback.db: database or disk is full", "Free some space.")
    for key, problem, line in (
        ("3", full, "disk is full. Free some space. Your verdict"),
        ("6", RuntimeError("a fault"), "Your verdict"),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(Session, "submit", Mock(side_effect=problem))
            page.keyboard.press(key)
            tells(page, f"{line} is saved in this browser and is sent automatically.")
        tells(page, "The server is back.")
    assert desk.said() == ["left_slightly", "right"]


def test_an_answer_at_which_the_server_keeps_failing_stays_in_the_browser_and_waits_to_be_sent_again(
    desk, address, monkeypatch
):
    desk.begin()
    page = desk.open(address)
    page.evaluate(HASTE)
    with monkeypatch.context() as broken:
        broken.setattr(Session, "submit", failing := Mock(side_effect=RuntimeError("a fault")))
        page.keyboard.press("3")
        tells(page, "Your verdict is not recorded yet")
        assert (failing.call_count, page.evaluate("pauses")) == (5, [2000, 4000, 8000, 16000])
        page.keyboard.press("6")  # one answer at a time
        page.keyboard.press("Enter")
        assert until(lambda: failing.call_count == 10)
        tells(page, "Your verdict is not recorded yet")
    page.locator("#try_again").click()
    tells(page, "The server is back. Recorded: A slightly better.")
    expect(page.locator("#try_again")).to_be_hidden()
    assert desk.said() == ["left_slightly"]


def test_the_hold_is_counted_down_and_its_end_is_said(store, desk, address):
    desk.begin(pairs=1)
    page = desk.open(address)
    shows(page, "lease ends in 9:5", "#hold")
    page.route(
        "**/label/do/look",
        lambda route: route.fulfill(json={**(reply := route.fetch().json()), "item": {**reply["item"], "left": 1}}),
    )
    page.keyboard.press("m")
    tells(page, "Your lease on this item has ended.")
    page.keyboard.press("1")
    shows(page, "No items are left for you.")
    assert desk.said() == ["left_much"]

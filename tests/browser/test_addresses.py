# SPDX-License-Identifier: Apache-2.0
"""The address of a researcher's page chooses a thing: opened directly, moved by a choice, back, forward and reload.

The server runs under a root path, so that every link is shown to hold there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data import Store
from tests.support.browsing import MARKS, picture
from tests.support.full_home import fill_every_page
from tests.support.serving import serving
from tests.support.tiny_home import PASSWORD

pytestmark = MARKS


@pytest.fixture(scope="module")
def filled_home(served_home) -> Iterator[Store]:
    """A home with three runs, two policies, two reward models and a second project."""
    store = Store(served_home)
    fill_every_page(store)
    store.reward_models.add(name="untested", base="b", adapter="a", report={})
    store.projects.add("Notes / drafts")
    yield store
    store.close()


@pytest.fixture(scope="module")
def root(served_home, filled_home) -> Iterator[str]:
    """The address of a server under a root path."""
    with serving(served_home, "--root-path", "/under/here") as server:
        yield f"{server.root}/under/here"


@pytest.fixture
def researcher(page: Page, root: str) -> Page:
    """A tab in which a researcher is signed in."""
    page.goto(f"{root}/login")
    page.locator("[name=name]").fill("rae")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button").click()
    page.wait_for_url(re.compile("/(label|train)"))
    return page


def expect_run(page: Page, run: str) -> None:
    """Expect the run in the address and on the screen."""
    expect(page).to_have_url(re.compile(f"#runs/{run}$"))
    expect(page.locator("#run-head .card > b")).to_have_text(re.compile(f"^{run} · "))


def test_an_address_opens_its_run_and_choices_back_forward_and_a_reload_move_with_it(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#runs/run1")
    expect_run(page, "run1")
    picture(page, "address-wide")
    row = page.locator("#runs-table [role=row]", has_text="run2")
    row.locator("[role=gridcell]").nth(3).click()  # anywhere in the row
    expect_run(page, "run2")
    page.locator("#runs-table").get_by_role("link", name="run3").click()
    expect_run(page, "run3")
    page.go_back()
    expect_run(page, "run2")
    page.go_back()
    expect_run(page, "run1")
    page.go_forward()
    expect_run(page, "run2")
    page.reload()
    expect_run(page, "run2")
    page.locator("#nav a", has_text="Runs").click()
    expect(page).to_have_url(re.compile("#runs$"))
    expect(page.locator("#run-head .card > b")).to_have_text(re.compile("^run3 · "))  # the newest
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "address-narrow")


def test_links_lead_from_a_policy_to_its_parent_and_to_its_reward_model(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#policies/p2")
    lineage = page.locator("#policy-detail .facts")
    expect(page.locator("#policy-choice input")).to_have_value("p2 · driven")
    tree = page.get_by_role("navigation", name="Family tree")
    expect(tree.locator("[aria-current]")).to_contain_text("driven")
    picture(page, "policies-tree")
    lineage.get_by_role("link", name="p1").click()
    expect(page).to_have_url(re.compile("#policies/p1$"))
    expect(page.locator("#policy-choice input")).to_have_value("p1 · tiny")
    page.go_back()
    lineage.get_by_role("link", name="r1").click()
    expect(page).to_have_url(re.compile("#reward/r1$"))
    expect(page.locator("#reward-closer svg").first).to_be_visible()
    expect(page.locator("#reward-choice input")).to_have_value("r1 · driver · judge")
    page.locator("#reward-choice input").click()
    page.get_by_role("option", name="r2 · driver · untested").click()
    expect(page).to_have_url(re.compile("#reward/r2$"))
    expect(page.locator("#reward-closer svg")).to_have_count(0)
    page.go_back()
    expect(page.locator("#reward-closer svg").first).to_be_visible()


def test_the_family_tree_is_reached_by_keyboard(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#policies/p2")
    tree = page.get_by_role("navigation", name="Family tree")
    expect(tree.locator("[aria-current]")).to_contain_text("driven")
    tree.get_by_role("link", name="p1").focus()
    page.keyboard.press("Enter")
    expect(tree.locator("[aria-current]")).to_contain_text("tiny")
    expect(page).to_have_url(re.compile("#policies/p1$"))


def test_sampling_into_a_project_opens_the_form_of_a_run_filled_in(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#projects")
    page.locator("#project-new input").fill("Orders")
    page.locator("#project-new-task input").click()
    page.get_by_role("option", name="Ranking of 4").click()
    page.locator("#project-add").click()
    expect(page.locator("#project-told")).to_contain_text("Orders is created.")
    expect(page.locator("#project-choice input")).to_have_value("Orders")
    page.locator("#project-sample").click()
    expect(page).to_have_url(re.compile("#runs$"))
    expect(page.locator("#start-run")).to_be_visible()
    expect(page.locator("#sample-per_prompt input")).to_have_value("4")
    picture(page, "sample-into-project")


def test_the_arena_and_the_projects_follow_their_addresses(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#arena/p2")
    expect(page.locator("#arena-against input")).to_have_value("p2 · driven")
    page.locator("#arena-table").get_by_role("link", name="p1").click()
    expect(page).to_have_url(re.compile("#policies/p1$"))
    page.goto(f"{root}/train/#projects")
    expect(page.locator("#project-choice input")).to_have_value("Standard")
    page.locator("#projects-table").get_by_role("link", name="Notes / drafts").click()
    expect(page).to_have_url(re.compile("#projects/Notes%20%2F%20drafts$"))
    expect(page.locator("#project-choice input")).to_have_value("Notes / drafts")
    page.reload()
    expect(page.locator("#project-choice input")).to_have_value("Notes / drafts")
    page.go_back()
    expect(page.locator("#project-choice input")).to_have_value("Standard")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("runs/run99", "There is no run run99. Choose one in the table."),
        ("runs/<b>", "There is no run <b>. Choose one in the table."),
        ("policies/p99", "There is no policy p99. Choose one in the table."),
        ("reward/r99", "There is no reward model r99. Choose one in the list."),
        ("projects/Nothing", "There is no project Nothing. Choose one in the table."),
        ("arena/p99", "There is no policy p99. Choose one in the list “Against”."),
    ],
)
def test_an_address_of_nothing_says_so_in_one_line(researcher, root, address, line):
    researcher.goto(f"{root}/train/#{address}")
    page = researcher.locator(f"#page-{address.split('/')[0]}")
    expect(page.locator(".bad:visible")).to_have_text(line)


def test_the_language_changes_at_the_same_address_and_holds_for_forms_and_answers_of_the_server(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#runs/run2")
    expect_run(page, "run2")
    page.locator("#nav").get_by_role("button", name="한").click()
    expect(page.locator("#nav").get_by_role("button", name="한")).to_have_attribute("aria-pressed", "true")
    expect_run(page, "run2")
    expect(page.locator("body")).to_have_attribute("lang", "ko")
    page.locator("#nav").get_by_role("button", name="EN").click()
    expect(page.locator("#nav a[href='#loop']")).to_have_text("Loop")
    expect_run(page, "run2")


def test_control_k_goes_to_a_page_by_name_and_to_a_thing_by_its_id(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#loop")
    page.locator("#go-open").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("run2")
    expect(page.locator("#go-list [aria-selected=true]")).to_have_text("run2")
    page.keyboard.press("Enter")
    expect_run(page, "run2")
    page.locator("#go-open").click()
    page.keyboard.type("pol")
    expect(page.locator("#go-list li")).to_have_text(["Policies"])
    page.keyboard.type("x")
    expect(page.locator("#go-none")).to_be_visible()
    page.keyboard.press("Enter")  # there is nothing to go to
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#policies"))
    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#go-list [aria-selected=true]")).to_have_text("Live")
    page.keyboard.press("Escape")
    expect(page.locator("#go")).to_be_hidden()


def test_the_columns_chosen_on_the_arena_are_there_after_a_reload(researcher, root):
    page = researcher
    page.goto(f"{root}/train/#arena/p1")
    drawn, heads = page.locator("#arena-table").get_by_role("link", name="p2"), page.locator("#arena-table th:visible")
    expect(drawn).to_be_visible()
    expect(heads.filter(has_text="Note")).not_to_have_count(0)
    picture(page, "arena-columns")
    page.locator("#arena-columns .token", has_text="Note").locator(".token-remove").click()
    expect(heads.filter(has_text="Note")).to_have_count(0)
    page.reload()
    expect(drawn).to_be_visible()
    expect(heads.filter(has_text="Tokens")).not_to_have_count(0)
    expect(heads.filter(has_text="Note")).to_have_count(0)

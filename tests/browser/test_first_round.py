# SPDX-License-Identifier: Apache-2.0
"""The guide of the first round in a real browser: simulated labels, the reward model, and the guide's end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data import Store
from labeling.accounts import accounts
from tests.support.browsing import MARKS, picture, sign_in, visit
from tests.support.serving import Server, serving
from tests.support.tiny_home import PASSWORD
from tests.support.tiny_model import make_tiny_model

pytestmark = MARKS
PAIRS = 110


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    """A home with 110 waiting pairs of prompts that the rubric covers, a tiny base and a researcher."""
    store = Store(tmp_path / "home")
    policy = store.policies.add(name="tiny", kind="base", base=str(make_tiny_model("llama", tmp_path / "model")))
    with store.transaction():
        for number in range(PAIRS):
            facts = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}
            prompt = store.prompts.add(f"Colour of snow, {number}?", source="test", family="colour", facts=facts)
            ids = store.completions.add_many(
                {
                    "prompt_id": prompt.id,
                    "policy_id": policy.id,
                    "text": text,
                    "token_ids": [1 + place],
                    "number": place,
                    "seed": 0,
                }
                for place, text in enumerate(("It is white.", "no"))
            )
            store.pairs.add(prompt.id, *ids)
    accounts.create(store, "rae", "researcher", PASSWORD)
    yield store
    store.close()


@pytest.fixture
def server(store) -> Iterator[Server]:
    with serving(store.home) as running:
        yield running


def test_the_first_round_leads_from_simulated_labels_to_a_reward_model_without_a_shell(page: Page, server, store):
    sign_in(page, server, "rae")
    visit(page, server, "loop")
    due = page.locator(".round [aria-current=step]")
    expect(due).to_contain_text("0 of 100 comparisons.")
    expect(due.get_by_role("link", name="Start labeling")).to_be_visible()
    picture(page, "first-round")

    due.get_by_role("button", name="Let simulated labelers answer 110 pairs").click()
    expect(due).to_contain_text("trained and tested on comparisons: 110 by simulated labelers.")
    expect(page.locator(".station", has_text="Comparisons")).to_contain_text("0 by people · 110 simulated")
    assert (store.comparisons.count("simulated"), store.comparisons.count("person")) == (110, 0)

    due.get_by_role("button", name="Train the first reward model").dblclick()  # the second click starts no second run
    expect(page.locator(".round")).to_contain_text("2 of 5 steps done")
    expect(due.get_by_role("button", name="Train a policy with PPO")).to_be_visible()
    (run,) = (run for run in store.runs.all() if run.kind == "reward")
    assert (run.state, run.settings["labels"], run.produced) == ("done", "simulated", ["r1"])

    page.get_by_role("button", name="Hide this guide").click()
    expect(page.locator("#loop-next .next")).to_contain_text("r1")  # PPO, or why not yet
    page.reload()
    expect(page.locator("#loop-next .next")).to_contain_text("r1")
    expect(page.locator(".round")).to_have_count(0)


def test_the_guide_follows_the_language_of_the_labelers_page(page: Page, server):
    sign_in(page, server, "rae")
    page.context.add_cookies([{"name": "language", "value": "ko", "url": server.root}])
    visit(page, server, "loop")
    expect(page.get_by_role("button", name="시뮬레이션 라벨러에게 쌍 110개 맡기기")).to_be_visible()
    assert page.locator(".round").get_attribute("lang") == "ko"

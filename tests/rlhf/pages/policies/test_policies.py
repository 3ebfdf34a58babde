# SPDX-License-Identifier: Apache-2.0
"""The policies page: the tree, the card of a policy, and the runs that its buttons queue."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from data.tables.process_identity import identify_process
from labeling.accounts.current import acting_as
from reward.report.addresses import id_link
from rlhf.common import locks
from rlhf.pages.policies.card import lineage, size_of, win_rates
from rlhf.pages.policies.page import PoliciesPage
from rlhf.pages.policies.tree import draw_tree

EVIL = "<img src=x onerror=alert(1)>"
FIGURES = {"win_rate": 0.614, "win_rate_ci": [0.55, 0.67], "prompts": 300, "kl": 2.04, "length_end": 31.6}


@pytest.fixture
def family(store):
    """p1 a base; p2 SFT on it; p3 another base; p4 PPO on p2 by run1, at a KL of 1.25; p5 PPO on p2."""
    run = store.runs.enqueue("ppo", {}, "rae")
    store.runs.start(run.id, *identify_process())
    store.runs.finish(run.id, "done", report={"kl": 1.25})
    trained = {"kind": "ppo", "base": "b", "adapter": "a", "parent_id": 2}
    store.policies.add(name="base", kind="base", base="b")
    store.policies.add(name="first", kind="sft", base="b", adapter="a", parent_id=1)
    store.policies.add(name="other", kind="base", base="c")
    store.policies.add(name="second", **trained, run_id=run.id, reward_model_id=7)
    store.policies.add(name=EVIL, **trained)
    return store


@pytest.fixture
def page(family):
    with gr.Blocks():
        return PoliciesPage(family, gr.Button().click)


def shape(html):
    """Return the nesting of a tree as text, such as ( p1 ( p2 ) p3 )."""
    found = re.findall(r"<ul>|</ul>|(?<=#policies/)p\d+(?=')", re.sub(r"<span.*?</span>", "", html))
    return " ".join(found).replace("<ul>", "(").replace("</ul>", ")")


def test_children_stand_in_a_list_below_their_parent(family):
    assert shape(draw_tree(family, "p4", [])) == "( p1 ( p2 ( p4 p5 ) ) p3 )"


def test_a_chain_of_a_thousand_policies_is_drawn(store):
    for number in range(1001):
        store.policies.add(name="n", kind="ppo", base="b", parent_id=number or None)
    html = draw_tree(store, "p1001", [])
    assert html.count("<li>") == html.count("</li>") == 1001
    assert html.count("<ul>") == html.count("</ul>") == 1001


def test_the_chosen_policy_is_marked_and_names_are_escaped(family):
    html = draw_tree(family, "p4", [])
    assert html.count("aria-current=true") == 1
    assert f"aria-current=true>{id_link('p4')}" in html
    assert EVIL not in html


def test_a_branch_has_the_newest_figures_against_the_parent(family):
    assert draw_tree(family, "p1", []).count("not judged yet") == 3  # p2, p4, p5; bases have no parent
    family.evaluations.add(4, 2, "rubric", FIGURES | {"win_rate": 0.1})
    family.evaluations.add(4, 2, "rubric", FIGURES)
    family.evaluations.add(4, 1, "rubric", FIGURES | {"win_rate": 0.9})
    assert "PPO · 61 % (55–67) of 300 by rubric · KL 2.04" in draw_tree(family, "p1", [])


def test_the_card_compares_with_the_parent_and_with_the_start(family):
    family.evaluations.add(4, 1, "r7", FIGURES | {"judge_partial": "r7 drove p4", "kl_bound": True})
    assert [policy.public for policy in lineage(family, family.policies.get(4))] == ["p1", "p2", "p4"]
    assert win_rates(family, family.policies.get(4)) == [
        ["p2, its parent", "people", "not judged yet", "–", "–"],
        ["p1, the start of its lineage", "r7 (not independent)", "61 % (55–67) of 300", "≤ 2.04", "32"],
    ]
    assert [row[0] for row in win_rates(family, family.policies.get(2))] == ["p1, its parent"]
    assert win_rates(family, family.policies.get(1)) == []


def test_the_card_links_lineage_run_and_reward_model_and_has_the_kl_of_the_run(page):
    card = page.refresh("p4", "", "", "")[page.detail]
    assert f"{id_link('p1')} → {id_link('p2')} → {id_link('p4')}" in card
    assert id_link("run1") in card
    assert id_link("r7") in card
    assert "1.25 nats" in card
    assert f"{id_link('p2')}, its parent" in card
    assert "Size on disk" not in card  # its files are not on this disk
    assert page.refresh("p5", "", "", "")[page.detail].count("1.25 nats") == 0


def test_the_size_is_that_of_the_policy_s_own_files(family):
    (family.home / "a").mkdir()
    (family.home / "a" / "weights").write_bytes(b"x" * 1234)
    assert size_of(family.home, family.policies.get(4)) == 1234
    assert size_of(family.home, family.policies.get(3)) == 0


def test_the_page_draws_the_policy_of_its_address_once(page):
    newest, first = page.refresh("", "", "", ""), page.refresh("p2", "", "", "")
    assert [updates[page.choice].value for updates in (newest, first)] == ["p5", "p2"]
    assert page.refresh("p2", first[page.seen], first[page.shown], "", first[page.note.seen]) == gr.skip()
    unknown = page.refresh("p9", first[page.seen], first[page.shown], "")
    assert "There is no policy p9." in unknown[page.detail]
    assert unknown[page.choice].value is None


def test_only_a_policy_with_an_adapter_offers_it_and_its_merge(page):
    base, trained = page.refresh("p1", "", "", ""), page.refresh("p4", "", "", "")
    buttons = (page.adapter, page.whole, page.merge)
    assert [base[button].visible for button in buttons] == [False, True, False]
    assert [trained[button].visible for button in buttons] == [True, True, True]


def test_a_click_queues_an_export_or_a_merge_and_the_file_is_offered_when_it_is_there(page, family):
    folder = family.home / "a"
    folder.mkdir()
    (folder / "adapter_config.json").touch()
    person = family.accounts.add("rae", "researcher")
    (family.home / "b").mkdir()
    (family.home / "b" / "config.json").write_text("{}")
    family.execute("UPDATE policies SET base = ?", [str(family.home / "b")])
    with locks.acquire_lock(family.home / locks.SUPERVISOR), acting_as(person):
        assert f"{id_link('run2')} is queued" in page.queue_export("p4", merge=True)
        assert f"{id_link('run3')} is queued" in page.queue_merge("p4")
        assert f"{id_link('p3')} has no adapter to merge" in page.queue_merge("p3")
    queued = [family.runs.get(number) for number in (2, 3)]
    assert [(run.kind, run.settings["from"], run.created_by) for run in queued] == [
        ("export", "p4", "rae"),
        ("merge", "p4", "rae"),
    ]
    shown = page.refresh("p4", "", "", "")
    exports = family.home / "exports"
    exports.mkdir()
    for name in ("p4-merged-run2.zip", "p40-merged-run9.zip"):
        (exports / name).write_bytes(b"x" * 2000)
    files = page.refresh("p4", shown[page.seen], shown[page.shown], "")[page.files]
    assert "href='exports/p4-merged-run2.zip' download" in files
    assert "2 kB" in files
    assert "p40" not in files

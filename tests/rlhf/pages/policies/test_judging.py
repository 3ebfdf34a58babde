# SPDX-License-Identifier: Apache-2.0
"""The Loop and Policies pages show people's verdicts on a new policy in one sentence."""

from __future__ import annotations

import pytest

from rlhf.pages.loop import draw_judging
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.next_step import LABEL_PAGE, compare_step
from rlhf.pages.policies.card import draw_card
from rlhf.pages.policies.figures import describe_judging
from tests.support.data.judged_pairs import JudgedPairs


@pytest.fixture
def judged(store):
    store.accounts.add("Mina", "labeler")
    return JudgedPairs(store, 40)


def said(judged):
    return describe_judging(judged.store, "p2", "p1")


def test_the_sentence_follows_the_verdicts(judged):
    assert said(judged) == "0 pairs of p2 against p1 were judged, too few to say; 40 wait."
    judged.judge("Mina", "noonnotnoonno")
    assert said(judged).startswith("p2 wins 50 % (")
    assert said(judged).endswith(") of 13 pairs against p1: not decided, 27 pairs wait.")


def test_a_clear_winner_is_judged_and_the_rest_withdrawn(judged):
    judged.judge("Mina", "n" * 9)
    assert said(judged).startswith("p2 wins 100 % (")
    assert said(judged).endswith(" to 100) of 9 pairs against p1: judged, 31 pairs withdrawn.")
    assert "31 pairs withdrawn" in draw_card(judged.store, judged.store.policies.get("p2"))
    assert "31 pairs withdrawn" in draw_judging(judged.store, count_loop(judged.store).newest)


def test_nothing_is_said_where_no_pair_was_queued(store):
    store.policies.add(name="start", kind="sft", base="b", adapter="x")
    store.policies.add(name="next", kind="dpo", base="b", adapter="x", parent_id=1)
    assert describe_judging(store, "p2", "p1") == ""
    assert draw_judging(store, count_loop(store).newest) == ""


def test_the_loop_leads_to_the_waiting_pairs_and_on_once_they_are_judged(judged):
    assert compare_step(count_loop(judged.store)).link == LABEL_PAGE
    judged.judge("Mina", "n" * 9)  # fewer than the 50 prompts that were enough before
    assert compare_step(count_loop(judged.store)) is None

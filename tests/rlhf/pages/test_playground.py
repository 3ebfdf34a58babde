# SPDX-License-Identifier: Apache-2.0
"""The playground's cards: texts stay texts, failures name their reason, and an unfinished reply marks the page."""

from __future__ import annotations

import pytest

from data import Store
from labeling.texts.reader import writing_in
from labeling.texts.translate import Refusal
from rlhf.pages.playground.choices import offer_models
from rlhf.pages.playground.view import draw_chat, draw_replies
from rlhf.playground.exchange import SEEDS, Question, Reply, join_turns, read_seed

EVIL = "<img src=x onerror=alert(1)>"
QUESTION = Question(({"role": "user", "content": EVIL},), ("p1",), seed=7)


def test_texts_of_models_and_people_are_never_markup():
    drawn = [
        draw_chat(QUESTION.turns),
        draw_replies(QUESTION, [Reply("p1", "done", EVIL, problem=EVIL, scores={EVIL: 1.0})], {"p1": EVIL}),
        draw_replies(QUESTION, [Reply("p1", "failed", problem=EVIL)], {}),
    ]
    assert all("<img" not in html and "&lt;img" in html for html in drawn)


def test_only_replies_that_are_not_complete_make_the_page_ask_again():
    states = {
        state: "data-busy" in draw_replies(QUESTION, [Reply("p1", state)], {})
        for state in ("waiting", "loading", "writing", "scoring", "done", "stopped", "failed")
    }
    assert [state for state, busy in states.items() if busy] == ["waiting", "loading", "writing", "scoring"]


def test_a_complete_reply_shows_length_log_probability_scores_and_time():
    """exp(-13.86 / 20) = 0.5 per token."""
    reply = Reply("p1", "done", "text", tokens=20, ended=False, logp=-13.863, scores={"r1": 0.5}, seconds=1.25)
    html = draw_replies(QUESTION, [reply], {"p1": "base"})
    for shown in (
        "20 tokens (cut off at the longest answer)",
        "-13.9 nats, 50 % per token",
        "+0.50",
        "1.2 s",
        "Seed 7",
    ):
        assert shown in html


def test_the_cards_speak_the_reader_s_language():
    with writing_in("ko"):
        assert "완료" in draw_replies(QUESTION, [Reply("p1", "done", "text")], {})
        assert "일찍 끝났습니다" in draw_replies(QUESTION, [Reply("p1", "failed", cause="ended")], {})
        unknown = Reply("p9", "failed", problem="there is no policy p9. The newest is p1.")
        assert "정책 p9이(가) 없습니다. 가장 새것은 p1입니다." in draw_replies(QUESTION, [unknown], {})
        assert "메모리가 부족합니다" in draw_replies(QUESTION, [Reply("p1", "failed", cause="memory")], {})


def test_a_system_message_stands_first_in_a_new_chat_and_not_twice_in_a_later_one():
    first = join_turns("", "You rhyme.", "One")
    assert first == [{"role": "system", "content": "You rhyme."}, {"role": "user", "content": "One"}]
    assert join_turns('[{"role": "user", "content": "a"}]', "You rhyme.", "b")[0]["role"] == "user"
    assert join_turns("", None, "One") == [{"role": "user", "content": "One"}]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_seed_is_drawn_anew(empty):
    """A field of a part of the page that was never opened arrives as None."""
    assert len({read_seed(empty) for _ in range(4)}) > 1


@pytest.mark.parametrize("wrong", ["-1", "1.5", "x", str(SEEDS), pytest.param("9" * 5000, id="long"), "\u00b2"])
def test_a_seed_that_is_no_number_in_range_is_refused_by_name(wrong):
    assert (read_seed("0"), read_seed(f" {SEEDS - 1} ")) == (0, SEEDS - 1)
    with pytest.raises(Refusal, match="seed cannot be"):
        read_seed(wrong)


def test_the_newest_policy_and_its_parent_are_chosen_at_first(store: Store):
    assert offer_models(store).usual_policies == []
    store.policies.add(name="base", kind="base", base="b")
    store.policies.add(name="other", kind="base", base="b")
    store.policies.add(name="tuned", kind="sft", base="b", adapter="a", parent_id=1)
    store.reward_models.add(name="judge", base="b", adapter="a")
    choices = offer_models(store)
    assert (choices.usual_policies, choices.usual_rewards) == (["p1", "p3"], ["r1"])
    assert [value for _, value in choices.policies] == ["p3", "p2", "p1"]
    assert choices.projects == ["Standard"]

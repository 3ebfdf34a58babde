# SPDX-License-Identifier: Apache-2.0
"""Storing from the playground: prompts in a set, and pairs that labelers see and win rates leave out."""

from __future__ import annotations

import pytest

from data import Store
from data.views.head_to_head import head_to_head
from labeling.texts.translate import Refusal
from rlhf.playground.exchange import Question, Reply
from rlhf.playground.storing import save_prompt, send_pair

TURNS = ({"role": "user", "content": "Write a note to Mina."},)
CHAT = (*TURNS, {"role": "assistant", "content": "Dear Mina."}, {"role": "user", "content": "Shorter."})


@pytest.fixture
def policies(store: Store) -> Store:
    store.policies.add(name="base", kind="base", base="b")
    store.policies.add(name="tuned", kind="sft", base="b", adapter="a", parent_id=1)
    return store


def reply(policy: str, text: str, state: str = "done") -> Reply:
    return Reply(policy, state, text, ids=(5, 6), tokens=2, ended=True)


def test_a_prompt_is_saved_once_and_a_chat_with_its_turns(store):
    saved = save_prompt(store, TURNS, "mine")
    assert (saved.text, saved.messages, saved.source) == ("Write a note to Mina.", None, "mine")
    assert save_prompt(store, TURNS, "other") == saved
    chat = save_prompt(store, CHAT)
    assert (chat.messages, chat.source) == ([dict(turn) for turn in CHAT], "playground")
    assert store.prompts.count() == 2


def test_a_pair_waits_for_the_labelers_and_its_answers_know_their_policies(policies):
    question = Question(TURNS, ("p1", "p2"), temperature=0.5, max_new_tokens=9, seed=4)
    pair = send_pair(policies, question, [reply("p1", "one"), reply("p2", "two")], 1, "rae")
    assert (pair.shown, pair.purpose, policies.pairs.waiting_count()) == (True, "train", 1)
    stored = {
        policies.completions.get(id).policy_id: policies.completions.get(id) for id in (pair.first_id, pair.second_id)
    }
    assert {id: answer.text for id, answer in stored.items()} == {1: "one", 2: "two"}
    assert stored[2].sampling == {"temperature": 0.5, "max_new_tokens": 9, "source": "playground"}
    assert (stored[2].seed, stored[2].token_ids, stored[2].ended) == (4, [5, 6], True)
    assert policies.audit.all(1)[0]["action"] == "playground pair"


def test_a_pair_that_somebody_picked_never_enters_a_win_rate(policies):
    """Hand-picked prompts and answers would bias it."""
    for number in range(40):  # the split follows the text, so some of these are test prompts
        turns = ({"role": "user", "content": f"Write note {number}."},)
        pair = send_pair(policies, Question(turns, ("p1", "p2")), [reply("p1", "one"), reply("p2", "two")], 1, "rae")
        who = policies.accounts.by_name("lab") or policies.accounts.add("lab", "labeler")
        about = {"pair_id": pair.id, "labeler_id": who.id, "left_id": pair.first_id, "right_id": pair.second_id}
        policies.insert("assignments", {"id": f"a{number}", **about, "expires_at": "", "created_at": ""})
        policies.comparisons.record(
            id=f"c{number}", assignment_id=f"a{number}", verdict="left", source="person", **about
        )
    assert policies.prompts.count("test") > 0
    assert head_to_head(policies, "person") == []


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([reply("p1", "one")], "1 complete answer is chosen. Choose 2."),
        ([reply("p1", "one"), reply("p2", "tw", "writing")], "The answer of p2 is not complete"),
        ([reply("p1", "one"), reply("p2", "one")], "Both answers have the same text"),
    ],
)
def test_what_is_no_pair_is_refused_and_nothing_is_stored(policies, replies, reason):
    with pytest.raises(Refusal, match=reason):
        send_pair(policies, Question(TURNS, ("p1", "p2")), replies, 1, "rae")
    assert (policies.prompts.count(), policies.pairs.count()) == (0, 0)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"turns": ({"role": "user", "content": "  "},)}, "The prompt is empty"),
        ({"policies": ()}, "0 policies are chosen. Choose 1 to 4"),
        ({"policies": tuple("abcde")}, "5 policies are chosen"),
        ({"max_new_tokens": 0}, "cannot be 0 tokens. Give 1 to 4,096"),
        ({"temperature": 0.0}, "temperature cannot be 0"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(given, reason):
    with pytest.raises(Refusal, match=reason):
        Question(**{"turns": TURNS, "policies": ("p1",), **given})

# SPDX-License-Identifier: Apache-2.0
"""The playground's answers: the same as a draw of the policy, streamed, scored, stopped; one failure stays one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data import Store
from reward import RewardModel
from rlhf.models.policy_loading import Bases
from rlhf.playground import progress
from rlhf.playground.exchange import Question, Reply
from rlhf.playground.worker import Answering
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from tests.support.tiny_home import make_judged_home, make_tiny_home
from tests.support.tiny_model import make_tiny_model

TURNS = ({"role": "user", "content": "Write a note to Mina."},)


@pytest.fixture
def store(tmp_path):
    store = make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    yield store
    store.close()


def answers(store: Store, question: Question, answering: Answering | None = None) -> tuple[list[Reply], list[dict]]:
    """Return the replies at the end, and all messages in their order."""
    sent: list[dict] = []
    answering = answering or Answering(store, sent.append)
    answering._send = sent.append
    answering.answer(1, question)
    replies = {policy: Reply(policy) for policy in question.policies}
    for message in sent:
        values = {name: value for name, value in message.items() if name not in ("number", "policy")}
        replies[message["policy"]] = replies[message["policy"]].updated(values)
    return list(replies.values()), sent


def test_an_answer_is_the_policy_s_draw_with_that_seed_and_its_log_probability_that_of_the_policy(store):
    (reply,), _ = answers(store, Question(TURNS, ("p1",), max_new_tokens=12, seed=5))
    sampler = AnswerSampler.load(store, Bases(), store.policies.get("p1"))
    ids = sampler.base.encode_prompt(TURNS[0]["content"])
    drawn = sampler.draw([DrawRequest(0, ids, 0)], SamplingLimits(12, 1), 5)[0]
    assert (reply.state, reply.text, list(reply.ids), reply.tokens) == ("done", drawn.text, drawn.ids, len(drawn.ids))
    assert reply.logp == pytest.approx(sampler.logps([ids], [drawn.ids])[0], rel=1e-5)
    again, _ = answers(store, Question(TURNS, ("p1",), max_new_tokens=12, seed=5))
    other, _ = answers(store, Question(TURNS, ("p1",), max_new_tokens=12, seed=6))
    assert again[0].ids == reply.ids != other[0].ids


def test_a_text_is_sent_while_it_is_written_and_each_part_begins_the_next(store, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    (reply,), sent = answers(store, Question(TURNS, ("p1",), max_new_tokens=12, seed=5))
    counts = [message["tokens"] for message in sent if "tokens" in message and "state" not in message]
    assert counts == list(range(1, reply.tokens + 1))
    assert [message["state"] for message in sent if "state" in message] == ["loading", "writing", "scoring", "done"]


def test_a_chat_is_answered_as_its_turns_and_not_as_their_text(store):
    chat = (*TURNS, {"role": "assistant", "content": "Dear Mina."}, {"role": "user", "content": "Shorter."})
    (reply,), _ = answers(store, Question(chat, ("p1",), max_new_tokens=8))
    sampler = AnswerSampler.load(store, Bases(), store.policies.get("p1"))
    ids = sampler.base.encode_prompt([dict(turn) for turn in chat])
    assert list(reply.ids) == sampler.draw([DrawRequest(0, ids, 0)], SamplingLimits(8, 1), 0)[0].ids


def test_a_policy_that_cannot_answer_does_not_keep_the_others_from_it(store):
    store.policies.add(name="gone", kind="sft", base=store.policies.get("p1").base, adapter="nowhere", parent_id=1)
    replies, _ = answers(store, Question(TURNS, ("p2", "p1"), max_new_tokens=4))
    assert [reply.state for reply in replies] == ["failed", "done"]
    assert "policy p2 (gone) has no adapter" in replies[0].problem


def test_a_lack_of_memory_is_a_cause_that_the_page_has_a_text_for(store, monkeypatch):
    def draw(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(AnswerSampler, "draw", draw)
    (reply,), _ = answers(store, Question(TURNS, ("p1",), max_new_tokens=4))
    assert (reply.state, reply.cause, reply.problem) == ("failed", "memory", "")


def test_a_stopped_question_keeps_what_was_written_and_asks_no_further_policy(store, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    store.policies.add(name="second", kind="base", base=store.policies.get("p1").base)
    answering = Answering(store, lambda message: None)
    sent: list[dict] = []

    def send(message: dict) -> None:
        sent.append(message)
        if message.get("tokens") == 3:
            answering.stopped.add(1)

    answering._send = send
    answering.answer(1, Question(TURNS, ("p1", "p2"), max_new_tokens=50, seed=5))
    assert [message["state"] for message in sent if message["policy"] == "p1" and "state" in message][-1] == "stopped"
    assert max(message.get("tokens", 0) for message in sent) == 3
    assert [message["state"] for message in sent if message["policy"] == "p2"] == ["stopped"]


def test_every_chosen_reward_scores_each_answer(tmp_path):
    store = make_judged_home(tmp_path / "judged", make_tiny_model("llama", tmp_path / "tiny"))
    (reply,), _ = answers(store, Question(TURNS, ("p1",), ("r1",), max_new_tokens=6))
    judge = RewardModel.load(store.home / store.reward_models.get("r1").adapter)
    assert reply.scores == {"r1": pytest.approx(judge.score([TURNS[0]["content"]], [list(reply.ids)])[0], rel=1e-4)}


def test_a_best_of_n_policy_gives_the_answer_of_the_highest_score(tmp_path):
    store = make_judged_home(tmp_path / "judged", make_tiny_model("llama", tmp_path / "tiny"))
    store.policies.add(
        name="best of 4",
        kind="best-of-n",
        base=store.policies.get("p1").base,
        parent_id=1,
        config={"n": 4, "reward": "r1"},
    )
    (best,), sent = answers(store, Question(TURNS, ("p2",), ("r1",), max_new_tokens=6))
    judge = RewardModel.load(store.home / store.reward_models.get("r1").adapter)
    ids = judge.base.encode_prompt(TURNS[0]["content"])
    sampler = replace(AnswerSampler.load(store, Bases(), store.policies.get("p1")), policy=store.policies.get("p2"))
    drawn = sampler.draw([DrawRequest(0, ids, number) for number in range(4)], SamplingLimits(6, 4), 0)
    scores = judge.score([TURNS[0]["content"]] * 4, [answer.ids for answer in drawn])
    assert list(best.ids) == drawn[max(range(4), key=scores.__getitem__)].ids
    assert [message for message in sent if "text" in message and "state" not in message] == []  # no candidate is shown

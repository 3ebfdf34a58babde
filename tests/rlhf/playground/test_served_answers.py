# SPDX-License-Identifier: Apache-2.0
"""vLLM servers answer in the playground with the policy's weights, and a dead server fails the answer by name."""

from __future__ import annotations

import pytest

from data import Store
from data.errors import BadInput
from labeling.texts.translate import Refusal
from reward.base.frozen_base import Base
from rlhf.playground.exchange import Question, Reply
from rlhf.playground.worker import SERVED, Answering
from tests.support.ppo_parts import shake
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_ending_model
from tests.support.vllm.server import share_noise, vllm_server

TURNS = ({"role": "user", "content": "Write a note to Mina."},)


@pytest.fixture
def model(tmp_path):
    return make_ending_model(tmp_path / "model")


@pytest.fixture
def store(tmp_path, model):
    store = make_tiny_home(tmp_path / "home", model)
    base = Base.load(model)
    base.add_adapter("policy", trainable=True)
    shake(base, "policy")
    base.save_adapter("policy", store.home / "policies" / "trained")
    store.policies.add(name="trained", kind="sft", base=str(model), adapter="policies/trained", parent_id=1)
    yield store
    store.close()


@pytest.fixture
def server(model):
    with vllm_server(model) as running:
        yield running


def ask(store: Store, answering: Answering, *policies: str, rollouts: str = "", number: int = 1) -> list[Reply]:
    replies = {policy: Reply(policy) for policy in policies}

    def take(message: dict) -> None:
        values = {name: value for name, value in message.items() if name not in ("number", "policy")}
        replies[message["policy"]] = replies[message["policy"]].updated(values)

    answering._send = take
    answering.answer(number, Question(TURNS, policies, max_new_tokens=8, seed=5, rollouts=rollouts))
    return list(replies.values())


def test_a_server_writes_what_the_process_would_write_of_the_same_noise(store, server, monkeypatch):
    share_noise(server, monkeypatch)
    answering = Answering(store, lambda message: None)
    own = ask(store, answering, "p1", "p2")
    assert server.requests == []
    served = ask(store, answering, "p1", "p2", rollouts=server.url + "/v1")
    assert [reply.state for reply in served] == ["done", "done"]
    assert [reply.ids for reply in served] == [reply.ids for reply in own]
    assert [reply.logp for reply in served] == pytest.approx([reply.logp for reply in own], rel=1e-4)
    asked = {body["model"] for body in server.requests}
    assert len(asked) == 2
    assert "base" in asked


def test_servers_forget_the_adapters_and_no_file_stays_when_the_process_ends(store, server):
    answering = Answering(store, lambda message: None)
    ask(store, answering, "p2", rollouts=server.url)
    assert len(server.adapters) == 1
    assert (store.home / SERVED).is_dir()
    answering.close()
    assert server.adapters == {}
    assert not (store.home / SERVED).exists()


def test_a_dead_server_fails_the_answer_by_name_and_works_again_when_it_is_back(store, server):
    answering = Answering(store, lambda message: None)
    assert ask(store, answering, "p2", rollouts=server.url)[0].state == "done"
    server.die()
    (reply,) = ask(store, answering, "p2", rollouts=server.url, number=2)
    assert reply.state == "failed"
    assert server.url in reply.problem
    assert "leave the servers empty" in reply.problem
    server.start()
    assert ask(store, answering, "p2", rollouts=server.url, number=3)[0].state == "done"


def test_a_server_that_never_was_there_is_named_and_can_be_asked_again_later(store, server):
    server.die()
    answering = Answering(store, lambda message: None)
    (reply,) = ask(store, answering, "p2", rollouts=server.url)
    assert reply.state == "failed"
    assert server.url in reply.problem
    server.start()
    assert ask(store, answering, "p2", rollouts=server.url, number=2)[0].state == "done"


def test_something_else_than_addresses_is_refused_by_value():
    with pytest.raises(BadInput, match="'gpu1' is not the address of a vLLM server"):
        Question(TURNS, ("p1",), rollouts="gpu1")
    with pytest.raises(Refusal, match="starts no vLLM server"):
        Question(TURNS, ("p1",), rollouts="start")

# SPDX-License-Identifier: Apache-2.0
"""Endpoints in the playground: they answer beside policies, fail alone, are scored as texts, and join blind pairs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import gradio as gr
import pytest

from data import Store
from data.errors import BadInput
from reward import Base, RewardModel
from rlhf.pages.playground.choices import mark_models, offer_models, read_address
from rlhf.pages.playground.page import PlaygroundPage
from rlhf.playground import endpoint_answers
from rlhf.playground.endpoint_answers import wait_for_answer
from rlhf.playground.exchange import Question, Reply
from rlhf.playground.storing import send_pair
from rlhf.playground.worker import Answering
from rlhf.sampling.endpoint_reply import Reply as Answer
from rlhf.sampling.listed_endpoints import FILE, add_endpoints, read_endpoints
from tests.support.endpoint_server import EndpointServer, running_endpoint
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

TURNS = ({"role": "user", "content": "Write a note to Mina."},)


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with running_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("judged")
    store = make_judged_home(folder / "home", make_tiny_model("llama", folder / "model"))
    yield store
    store.close()


def answers(store: Store, question: Question) -> dict[str, Reply]:
    """Return the replies at the end."""
    replies = {policy: Reply(policy) for policy in question.policies}

    def send(message: dict) -> None:
        policy = message["policy"]
        values = {name: value for name, value in message.items() if name not in ("number", "policy")}
        replies[policy] = replies[policy].updated(values)

    Answering(store, send).answer(1, question)
    return replies


def chat(text: str, finish: str = "stop") -> dict:
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


def test_an_endpoint_answers_beside_a_policy_and_is_scored_by_the_same_reward_model(judged, server):
    server.reply = lambda body: (200, chat("Dear Mina, hello."))
    add_endpoints(judged.home, [f"big=org/model@{server.url}"])
    replies = answers(judged, Question(TURNS, ("big", "p1"), ("r1",), max_new_tokens=6, temperature=0.5, seed=3))
    assert {name: reply.state for name, reply in replies.items()} == {"big": "done", "p1": "done"}
    assert (replies["big"].text, replies["big"].ended, replies["big"].logp) == ("Dear Mina, hello.", True, None)
    judge = RewardModel.load(judged.home / judged.reward_models.get("r1").adapter)
    expected = judge.score([TURNS[0]["content"]], ["Dear Mina, hello."])[0]
    assert replies["big"].scores == {"r1": pytest.approx(expected, rel=1e-4)}
    (request,) = server.requests
    assert (request["model"], request["messages"], request["max_tokens"]) == ("org/model", list(TURNS), 6)


def test_a_policy_and_the_reward_of_an_endpoint_share_one_base(judged, server, monkeypatch):
    loaded, load = [], Base.load
    monkeypatch.setattr(Base, "load", lambda source, **options: loaded.append(source) or load(source, **options))
    server.reply = lambda body: (200, chat("hello"))
    add_endpoints(judged.home, [f"big=m@{server.url}"])
    replies = answers(judged, Question(TURNS, ("big", "p1"), ("r1",), max_new_tokens=2))
    assert {reply.state for reply in replies.values()} == {"done"}
    assert loaded == [judged.policies.get("p1").base]


def test_a_failure_of_an_endpoint_is_its_own_and_names_the_cause(judged, server):
    server.reply = lambda body: (401, {"error": {"message": "no such key"}})
    add_endpoints(judged.home, [f"big=m@{server.url}"])
    replies = answers(judged, Question(TURNS, ("big", "p1"), max_new_tokens=4))
    assert {name: reply.state for name, reply in replies.items()} == {"big": "failed", "p1": "done"}
    assert "answered 401: no such key" in replies["big"].problem
    assert "PREFERENCE_LOOP_ENDPOINT_KEY_BIG" in replies["big"].problem
    server.reply = lambda body: (200, chat("<think>So much to", "length"))
    assert answers(judged, Question(TURNS, ("big",)))["big"].cause == "thinking"


@pytest.mark.parametrize("kept", ["{", "[]", '{"big": 5}'])
def test_a_damaged_list_fails_the_replies_with_the_remedy_and_stands_on_the_page(store, kept):
    (store.home / FILE).write_text(kept)
    replies = answers(store, Question(TURNS, ("big", "p1")))
    assert {reply.state for reply in replies.values()} == {"failed"}
    with gr.Blocks():
        page = PlaygroundPage(store, gr.Button().click)
    shown = page.refresh("", "", "", "", "")[page.status]
    assert "endpoints.json in the home is damaged. Repair this JSON file" in shown


def test_a_stopped_question_does_not_wait_for_its_endpoint_and_never_shows_a_late_answer(judged, server):
    """The endpoint answers only after the question has ended."""
    release, sent = threading.Event(), []

    def reply(body: dict) -> tuple[int, dict]:
        answering.stopped.add(1)
        release.wait()
        return 200, chat("late")

    server.reply = reply
    add_endpoints(judged.home, [f"big=m@{server.url}"])
    answering = Answering(judged, sent.append)
    answering.answer(1, Question(TURNS, ("big",)))
    release.set()
    answering._endpoint_answers._pool.shutdown(wait=True)
    assert [message["state"] for message in sent] == ["writing", "stopped"]


class LateFuture(Future):
    """A future whose first wait ends just before the reply arrives."""

    def result(self, timeout: float | None = None) -> Answer:
        if timeout is not None:
            self.arrive()
            raise TimeoutError
        return super().result()

    def arrive(self) -> None:
        self.set_result(Answer("hello", True, "stop", ""))


def test_a_reply_that_arrives_at_the_end_of_a_wait_is_no_failure(monkeypatch):
    monkeypatch.setattr(endpoint_answers, "INTERVAL", 0.0)
    future = LateFuture()
    looks = iter([bool, future.arrive])
    assert wait_for_answer(future, lambda: next(looks)()).text == "hello"


def test_an_endpoint_receives_its_own_key_alone(store, server, monkeypatch):
    monkeypatch.setenv("PREFERENCE_LOOP_ENDPOINT_KEY_ONE", "sk-one")
    add_endpoints(store.home, [f"one=m@{server.url}", f"two=m@{server.url}"])
    listed = read_endpoints(store.home)
    assert (listed["one"].key, listed["two"].key) == ("sk-one", "")
    assert "sk-one" not in (store.home / FILE).read_text()


def test_the_list_holds_what_the_command_line_named_and_an_empty_entry_removes_a_name(store):
    add_endpoints(store.home, ["a=m/x:1@http://127.0.0.1:1/v1", "b=m@http://127.0.0.1:2"])
    add_endpoints(store.home, ["a="])
    assert json.loads((store.home / FILE).read_text()) == {"b": "m@http://127.0.0.1:2"}


@pytest.mark.parametrize("wrong", ["p1=m@http://h", "x", "x=model", "=m@http://h", "x=m@ftp://h", "x=m@http://u:p@h"])
def test_a_wrong_entry_is_refused_and_none_is_added(store, wrong):
    with pytest.raises(BadInput):
        add_endpoints(store.home, ["good=m@http://127.0.0.1:1", wrong])
    assert not (store.home / FILE).exists()


def test_two_names_that_differ_in_case_would_share_a_key_and_are_refused(store):
    add_endpoints(store.home, ["big=m@http://127.0.0.1:1"])
    for given in (["Big=m@http://127.0.0.1:2"], ["a=m@http://127.0.0.1:1", "A=m@http://127.0.0.1:2"]):
        with pytest.raises(BadInput, match="differ in case alone"):
            add_endpoints(store.home, given)
    assert list(read_endpoints(store.home)) == ["big"]
    add_endpoints(store.home, ["big=", "Big=m@http://127.0.0.1:2"])
    assert list(read_endpoints(store.home)) == ["Big"]


def test_a_pair_with_an_endpoint_s_answer_knows_its_model_and_its_address(store):
    store.policies.add(name="base", kind="base", base="b")
    add_endpoints(store.home, ["big=org/model@http://127.0.0.1:1/v1"])
    replies = [
        Reply("p1", "done", "one", ids=(5,), tokens=1, ended=True),
        Reply("big", "done", "two", ended=True),
    ]
    pair = send_pair(store, Question(TURNS, ("p1", "big"), seed=4), replies, 1, "rae")
    rows = [store.completions.get(id) for id in (pair.first_id, pair.second_id)]
    stored = {row.text: row for row in rows}
    assert (stored["one"].policy_id, stored["two"].policy_id, stored["two"].model_name) == (1, None, "org/model")
    assert stored["two"].sampling["endpoint"] == "http://127.0.0.1:1/v1/chat/completions"


def test_models_are_listed_again_only_after_something_changed(store):
    store.policies.add(name="base", kind="base", base="b")
    mark = mark_models(store)
    assert mark_models(store) == mark
    add_endpoints(store.home, ["big=m@http://127.0.0.1:1"])
    with_endpoint = mark_models(store)
    store.policies.add(name="next", kind="base", base="b")
    assert len({mark, with_endpoint, mark_models(store)}) == 3


def test_an_address_names_policies_and_endpoints_and_tells_the_unknown(store):
    store.policies.add(name="base", kind="base", base="b")
    add_endpoints(store.home, ["big=m@http://127.0.0.1:1"])
    assert read_address("big, p1,p9,p1", offer_models(store)) == (["big", "p1"], ["p9"])

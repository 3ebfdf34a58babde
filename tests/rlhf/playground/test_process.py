# SPDX-License-Identifier: Apache-2.0
"""The playground's worker process: it keeps its models, outlives a bad question, and its death fails the replies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from rlhf.playground.exchange import Question, Reply
from rlhf.playground.process import KEPT, Playground
from tests.support import PATIENCE
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model

TURNS = ({"role": "user", "content": "Write a note to Mina."},)


@pytest.fixture
def playground(tmp_path) -> Iterator[Playground]:
    make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model")).close()
    playground = Playground(tmp_path / "home")
    yield playground
    playground.close()


def wait(playground: Playground, number: int, until: Callable[[Reply], bool]) -> Reply:
    """Return the first policy's reply once it is so."""
    deadline = time.monotonic() + PATIENCE
    while not until(reply := playground.replies(number)[0]):
        assert time.monotonic() < deadline, reply
        time.sleep(0.01)
    return reply


def complete(reply: Reply) -> bool:
    return not reply.active


def test_one_process_answers_question_after_question(playground):
    first = wait(playground, playground.ask(Question(TURNS, ("p1",), max_new_tokens=8, seed=3)), complete)
    worker = playground._worker
    second = wait(playground, playground.ask(Question(TURNS, ("p1",), max_new_tokens=8, seed=3)), complete)
    assert (first.state, first.ids) == ("done", second.ids)
    assert playground._worker is worker
    assert worker.poll() is None


def test_an_unknown_policy_is_a_failed_reply_and_the_next_question_is_answered(playground):
    failed = wait(playground, playground.ask(Question(TURNS, ("p9",))), complete)
    assert failed.state == "failed"
    assert "p9" in failed.problem
    assert wait(playground, playground.ask(Question(TURNS, ("p1",), max_new_tokens=2)), complete).state == "done"


def test_a_stopped_question_ends_early(playground):
    number = playground.ask(Question(TURNS, ("p1",), max_new_tokens=4000))
    playground.stop(number)
    reply = wait(playground, number, complete)
    assert reply.state == "stopped"


def test_a_killed_worker_fails_its_replies_with_a_reason_and_the_next_question_starts_another(playground):
    number = playground.ask(Question(TURNS, ("p1",)))
    playground._worker.send_signal(signal.SIGKILL)
    reply = wait(playground, number, complete)
    assert (reply.state, reply.cause) == ("failed", "ended")
    assert wait(playground, playground.ask(Question(TURNS, ("p1",), max_new_tokens=2)), complete).state == "done"


def test_a_worker_whose_end_was_not_noticed_yet_fails_its_own_replies_alone(playground):
    left = playground.ask(Question(TURNS, ("p1",)))
    with playground._lock:  # what notices the end waits for it
        playground._worker.kill()
        playground._worker.wait()
        answered = playground.ask(Question(TURNS, ("p1",), max_new_tokens=2))
    assert wait(playground, left, complete).cause == "ended"
    assert wait(playground, answered, complete).state == "done"


def test_a_worker_ends_with_its_server(playground):
    wait(playground, playground.ask(Question(TURNS, ("p1",), max_new_tokens=2)), complete)
    worker = playground._worker
    worker.stdin.close()
    assert worker.wait(PATIENCE) == 0


def test_only_the_newest_questions_are_remembered(playground, monkeypatch):
    monkeypatch.setattr(playground, "_send", lambda message: None)
    numbers = [playground.ask(Question(TURNS, ("p1",))) for _ in range(KEPT + 2)]
    assert [playground.question(number) is not None for number in (numbers[1], numbers[2])] == [False, True]
    assert playground.replies(numbers[1]) == []

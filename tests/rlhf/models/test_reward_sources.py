# SPDX-License-Identifier: Apache-2.0
"""Rewards from elsewhere: functions and endpoints, only from the list, and a clear word where one does not do its
part."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from data.errors import BadInput
from rlhf.models.reward_sources import KEY, RewardEndpoint, add_sources, load_source, read_sources

PROMPTS, TEXTS = ["Hi", [{"role": "user", "content": "Bye"}]], ["Hello.", "no"]


@contextmanager
def server(
    answer: Callable[[dict], tuple[int, str]], keys: list | None = None, moved: str = ""
) -> Iterator[tuple[str, list[dict]]]:
    """A real server on this machine; yields its address and what it was asked. What it is told to be allowed by goes
    to `keys`."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if keys is not None:
                keys.append(self.headers["Authorization"])
            status, text = answer(asked[-1])
            self.send_response(status)
            if moved:
                self.send_header("Location", moved)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/score", asked
    finally:
        running.shutdown()
        running.server_close()


def lengths(asked: dict) -> tuple[int, str]:
    return 200, json.dumps({"rewards": [len(text) for text in asked["completions"]]})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "rules.py").write_text(
        "def length(prompts, completions):\n    return [len(text) for text in completions]\n"
    )
    return tmp_path


def test_a_function_is_loaded_from_its_file_by_its_name_in_the_list(folder):
    add_sources(folder / "home", [f"length={folder / 'rules.py'}:length"])
    assert load_source(folder / "home", "length")(PROMPTS, TEXTS) == [6, 2]


def test_a_function_is_loaded_from_an_installed_module(folder):
    add_sources(folder / "home", ["joined=posixpath:join"])
    assert load_source(folder / "home", "joined")("a", "b") == "a/b"


def test_an_endpoint_is_sent_prompts_and_completions_and_its_numbers_come_back(folder):
    with server(lengths) as (url, asked):
        add_sources(folder / "home", [f"far={url}"])
        assert load_source(folder / "home", "far")(PROMPTS, TEXTS) == [6.0, 2.0]
    assert asked == [{"prompts": PROMPTS, "completions": TEXTS}]


def test_the_list_grows_and_shrinks_and_stays_with_the_home(folder):
    home = folder / "home"
    add_sources(home, ["one=math:fsum", "two=http://127.0.0.1:1/"])
    add_sources(home, ["one=", "three=math:prod"])
    add_sources(home, [])
    assert read_sources(home) == {"two": "http://127.0.0.1:1/", "three": "math:prod"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("length", "'length' is not a reward source"),
        ("r3=math:fsum", "'r3=math:fsum' is not a reward source"),
        ("a/b=math:fsum", "is not a reward source"),
        ("x=math", "'math' is not a reward source"),
        ("x=math:3", "'math:3' is not a reward source"),
        ("x=ftp://host/", "'ftp://host/' is not a reward source"),
        ("x=nowhere.py:length", "there is no such file"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_and_the_list_stays(folder, given, says):
    with pytest.raises(BadInput, match=says):
        add_sources(folder / "home", ["good=math:fsum", given])
    assert read_sources(folder / "home") == {}


def test_a_name_that_is_not_in_the_list_is_refused_with_those_that_are(folder):
    with pytest.raises(BadInput, match="no reward called 'math:fsum'.*--reward-source"):
        load_source(folder / "home", "math:fsum")
    add_sources(folder / "home", ["one=math:fsum", "two=math:prod"])
    with pytest.raises(BadInput, match="no reward called 'tow'.*one, two"):
        load_source(folder / "home", "tow")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_module:score", "'mine' .no_such_module:score. cannot be imported: ModuleNotFoundError"),
        ("math:score", "cannot be imported: AttributeError"),
        ("rules.py:other", "cannot be imported: AttributeError"),
    ],
)
def test_a_function_that_cannot_be_imported_is_named(folder, monkeypatch, spec, says):
    monkeypatch.chdir(folder)
    add_sources(folder / "home", [f"mine={spec}"])
    monkeypatch.chdir("/")
    with pytest.raises(BadInput, match=says):
        load_source(folder / "home", "mine")


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (200, "fine", "is not JSON"),
        (200, '{"scores": [1, 2]}', "has no list of numbers called rewards"),
        (200, "[1, 2]", "has no list of numbers called rewards"),
        (200, '{"rewards": [1, null]}', "has no list of numbers called rewards"),
        (404, "", "gave no rewards: it answered 404: Not Found"),
    ],
)
def test_another_answer_than_rewards_is_refused_at_once(status, text, says):
    with server(lambda asked: (status, text)) as (url, asked), pytest.raises(BadInput, match=says) as refused:
        RewardEndpoint(url, pauses=(0.0, 0.0)).score(PROMPTS, TEXTS)
    assert url in str(refused.value)
    assert len(asked) == 1


def test_the_key_of_the_environment_is_sent_if_there_is_one(folder, monkeypatch):
    keys = []
    with server(lengths, keys) as (url, _):
        add_sources(folder / "home", [f"far={url}"])
        for key in ("", "rk-secret"):
            monkeypatch.setenv(KEY, key)
            load_source(folder / "home", "far")(PROMPTS, TEXTS)
    assert keys == [None, "Bearer rk-secret"]


def test_a_redirect_is_not_followed_with_the_key():
    with (
        server(lambda asked: (307, ""), moved="/elsewhere") as (url, asked),
        pytest.raises(BadInput, match="answered 307"),
    ):
        RewardEndpoint(url, key="rk-secret", pauses=(0.0,)).score(PROMPTS, TEXTS)
    assert len(asked) == 1


def test_a_refusal_that_repeats_the_key_is_shown_without_it():
    with (
        server(lambda asked: (401, '{"error": "no such key rk-secret"}')) as (url, _),
        pytest.raises(BadInput) as refused,
    ):
        RewardEndpoint(url, key="rk-secret").score(PROMPTS, TEXTS)
    assert "answered 401: no such key ***" in str(refused.value)


def test_a_busy_server_gets_the_request_again():
    answers = iter([(500, ""), (429, ""), (200, '{"rewards": [1, 2]}')])
    with server(lambda asked: next(answers)) as (url, asked):
        assert RewardEndpoint(url, pauses=(0.0, 0.0)).score(PROMPTS, TEXTS) == [1.0, 2.0]
    assert len(asked) == 3


def test_a_server_that_keeps_failing_or_is_not_there_is_given_up():
    with server(lambda asked: (500, "")) as (url, asked), pytest.raises(BadInput, match="it answered 500"):
        RewardEndpoint(url, pauses=(0.0,)).score(PROMPTS, TEXTS)
    assert len(asked) == 2
    with pytest.raises(BadInput, match="refused"):
        RewardEndpoint(url, pauses=(0.0,)).score(PROMPTS, TEXTS)


def test_a_server_that_does_not_answer_in_time_is_given_up():
    done = threading.Event()

    def late(asked: dict) -> tuple[int, str]:
        done.wait(30)
        return 200, "{}"

    with server(late) as (url, _):
        with pytest.raises(BadInput, match="timed out"):
            RewardEndpoint(url, timeout=0.2, pauses=()).score(PROMPTS, TEXTS)
        done.set()

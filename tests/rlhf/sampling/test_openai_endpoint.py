# SPDX-License-Identifier: Apache-2.0
"""Sampling from an endpoint, against a real HTTP server that speaks the protocol: what is sent, kept, refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

import app
from data.errors import BadInput
from data.records import Prompt
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.store import Store
from rlhf.runs.endpoint_run import EndpointSettings, run
from rlhf.sampling.openai_endpoint import ATTEMPTS, KEY, OpenAIEndpoint

SECRET = "sk-very-secret"
LIMITS = {"temperature": 0.7, "max_tokens": 9, "seed": 1}
PROMPT = Prompt(1, "Name a cat.", None, "train", "test", None, None)


class Server:
    """A small endpoint. `reply(body) -> (status, document)` decides what it says; `asked` keeps what it was sent."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.headers: list[dict] = []
        self.paths: list[str] = []
        self.reply: Callable[[dict], tuple[int, object]] = answering
        self.moved = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.headers.append(dict(self.headers))
                outer.paths.append(self.path)
                status, document = outer.reply(body)
                sent = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                if outer.moved:
                    self.send_header("Location", outer.moved)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


def answering(body: dict) -> tuple[int, dict]:
    """As many answers as were asked for, each its own; the last one cut."""
    texts = [f"seed {body['seed']} choice {index}" for index in range(body["n"])]
    ends = ["stop"] * (body["n"] - 1) + ["length"]
    if "messages" in body:
        return 200, {
            "choices": [
                {"message": {"content": text}, "finish_reason": end} for text, end in zip(texts, ends, strict=True)
            ]
        }
    return 200, {"choices": [{"text": text, "finish_reason": end} for text, end in zip(texts, ends, strict=True)]}


def single(body: dict) -> tuple[int, dict]:
    """One answer, however many were asked for: what some servers do."""
    return answering({**body, "n": 1})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def filled(store: Store) -> Store:
    """Forty prompts, so that every split has some."""
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test"} for n in range(40))
    return store


def sample(store: Store, server: Server, **given: object) -> dict:
    settings = parse_settings(EndpointSettings, {"endpoint": server.url, "model": "big", "at_once": 4, **given})
    return run(RunContext(store, store.runs.enqueue("endpoint", as_dict(settings), "test")), settings).report


# ---- the protocol


def test_a_conversation_is_sent_to_a_chat_endpoint_and_a_text_to_the_other(server: Server) -> None:
    OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1], **LIMITS)
    OpenAIEndpoint.of(server.url + "/completions", "big").answer(PROMPT, [0], **LIMITS)
    assert server.paths == ["/v1/chat/completions", "/v1/completions"]
    first, second = server.asked
    assert first["messages"] == [{"role": "user", "content": "Name a cat."}]
    assert second["prompt"] == "Name a cat."
    assert {name: first[name] for name in ("model", "n", "temperature", "max_tokens")} == {
        "model": "big",
        "n": 2,
        "temperature": 0.7,
        "max_tokens": 9,
    }


def test_all_turns_of_a_conversation_are_sent(server: Server) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi."}]
    OpenAIEndpoint.of(server.url, "big").answer(Prompt(1, "Hi.", turns, "train", "test", None, None), [0], **LIMITS)
    assert server.asked[0]["messages"] == turns


def test_an_answer_that_was_cut_has_not_ended(server: Server) -> None:
    assert [reply.ended for reply in OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1], **LIMITS)] == [
        True,
        False,
    ]


def test_seeds_differ_by_seed_prompt_and_number_and_repeat(server: Server) -> None:
    endpoint, other = OpenAIEndpoint.of(server.url, "big"), Prompt(2, "Hi.", None, "train", "test", None, None)
    for prompt, number, seed in ((PROMPT, 0, 1), (PROMPT, 1, 1), (other, 0, 1), (PROMPT, 0, 2), (PROMPT, 0, 1)):
        endpoint.answer(prompt, [number], **LIMITS | {"seed": seed})
    seeds = [body["seed"] for body in server.asked]
    assert len(set(seeds)) == 4
    assert seeds[0] == seeds[4]


def test_an_endpoint_that_gives_one_answer_at_a_time_is_asked_again_with_another_seed(server: Server) -> None:
    server.reply = single
    replies = OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1, 2], **LIMITS)
    assert [body["n"] for body in server.asked] == [3, 2, 1]
    assert len({reply.text for reply in replies}) == 3


def test_the_key_of_the_environment_is_sent_and_no_key_otherwise(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("", SECRET):
        monkeypatch.setenv(KEY, key)
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    assert [headers.get("Authorization") for headers in server.headers] == [None, f"Bearer {SECRET}"]


def test_a_busy_endpoint_is_asked_again(server: Server) -> None:
    statuses = iter([429, 503])
    server.reply = lambda body: answering(body) if (status := next(statuses, 200)) == 200 else (status, {})
    assert len(OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)) == 1
    assert len(server.asked) == 3


# ---- what goes wrong there


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (401, {"error": {"message": f"no such key {SECRET}"}}, "answered 401: no such key ***"),
        (404, b"nothing here", "404: nothing here"),
        (200, b"<html>", "did not answer with JSON"),
        (200, {"hello": 1}, 'answered with an unknown document: {"hello": 1}'),
        (200, [1], "answered with an unknown document"),
        (200, {"choices": [{"message": {"content": 5}}]}, "unknown document"),
        (200, {"choices": []}, "gave no answer"),
    ],
)
def test_what_is_no_answer_is_one_line_without_the_key_and_not_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, document: object, said: str
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    server.reply = lambda body: (status, document)
    with pytest.raises(BadInput) as caught:
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    line = str(caught.value)
    assert said in line
    assert server.url in line
    assert SECRET not in line
    assert "\n" not in line
    assert len(server.asked) == 1


def test_a_busy_endpoint_is_given_up_after_some_attempts(server: Server) -> None:
    server.reply = lambda body: (503, {"error": "loading"})
    with pytest.raises(BadInput, match="answered 503: loading"):
        OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)
    assert len(server.asked) == ATTEMPTS


def test_nobody_there_is_bad_input(server: Server) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(BadInput, match="could not be reached: .*refused"):
        OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)


def test_a_redirect_is_not_followed_with_the_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    server.moved, server.reply = server.url + "/elsewhere", lambda body: (302, {})
    with pytest.raises(BadInput, match="answered 302"):
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    assert len(server.asked) == 1


# ---- what is kept


def test_answers_are_kept_like_imported_ones_and_paired(filled: Store, server: Server) -> None:
    report = sample(filled, server, prompts=6, test_share=0.5)
    assert (report["prompts"], report["completions"], report["pairs"], report["unended"]) == (6, 12, 6, 6)
    assert report["splits"] == {"train": 3, "test": 3}
    pair = filled.pairs.all("train")[0]
    first = filled.completions.get(pair.first_id)
    assert (first.policy_id, first.model_name, first.token_ids, first.seed, first.run_id) == (None, "big", None, 0, 1)
    assert first.sampling == {"endpoint": server.url + "/chat/completions", "temperature": 1.0, "max_new_tokens": 512}


def test_the_key_stands_nowhere_in_the_home(filled: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    sample(filled, server, prompts=3)
    filled.close()
    kept = [file.read_bytes() for file in filled.home.rglob("*") if file.is_file()]
    assert kept
    assert not any(SECRET.encode() in content for content in kept)


def test_sampling_again_goes_on_with_prompts_that_this_model_answered_least(filled: Store, server: Server) -> None:
    half = filled.prompts.count("train") // 2
    for _ in range(3):
        sample(filled, server, prompts=half, test_share=0.0)
    counts = filled.completions.counts_of_model("big")
    assert len(counts) in (2 * half, 2 * half + 1)
    assert set(counts.values()) == {2, 4}
    assert sum(counts.values()) == 6 * half  # the third time under new numbers, so new answers
    assert filled.completions.counts_of_model("small") == {}


def test_an_endpoint_that_dies_leaves_whole_prompts_and_the_next_run_goes_on(filled: Store, server: Server) -> None:
    turn = count(1)
    server.reply = lambda body: answering(body) if next(turn) <= 6 else (400, {"error": "out of credit"})
    with pytest.raises(BadInput, match="out of credit"):
        sample(filled, server, prompts=20, test_share=0.0)
    assert (filled.completions.count(), filled.pairs.count()) == (12, 6)
    server.reply = answering
    sample(filled, server, prompts=10, test_share=0.0)
    assert set(filled.completions.counts_of_model("big").values()) == {2}


def test_an_answer_without_a_text_makes_no_pair_and_is_counted(filled: Store, server: Server) -> None:
    server.reply = lambda body: (
        200,
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}] * body["n"]},
    )
    report = sample(filled, server, prompts=3, test_share=0.0)
    assert report["skipped"] == {"prompts with an empty answer": 3}
    assert filled.completions.count() == filled.pairs.count() == 0


def test_a_cancelled_run_keeps_what_was_answered(filled: Store, server: Server) -> None:
    settings = parse_settings(
        EndpointSettings, {"endpoint": server.url, "model": "big", "prompts": 12, "at_once": 4, "test_share": 0.0}
    )
    context = RunContext(filled, filled.runs.enqueue("endpoint", as_dict(settings), "test"))
    context.cancelled = lambda: filled.completions.count() > 0
    with pytest.raises(Cancelled):
        run(context, settings)
    assert filled.completions.count() == 8


# ---- the command


def call(store: Store, capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str, str]:
    status = app.main(["sample", *words, "--home", str(store.home)])
    return status, *capsys.readouterr()


def test_the_command_samples_here_and_now(filled: Store, server: Server, capsys: pytest.CaptureFixture) -> None:
    status, out, _ = call(filled, capsys, "--endpoint", server.url, "--model", "big", "--prompts", "3", "--json")
    assert (status, json.loads(out)) == (0, {"run": "run1", "status": "done", "produced": []})
    ended = filled.runs.get(1)
    assert (ended.kind, ended.state, ended.report["pairs"]) == ("endpoint", "done", 3)


def test_a_failure_is_one_document_on_stdout_and_status_1(
    filled: Store, server: Server, capsys: pytest.CaptureFixture
) -> None:
    server.reply = lambda body: (400, {"error": "no such model"})
    status, out, err = call(filled, capsys, "--endpoint", server.url, "--model", "big", "--json")
    document = json.loads(out)
    assert (status, document["status"]) == (1, "failed")
    assert "no such model" in document["error"]
    assert "no such model" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--endpoint", "localhost:8000"], "'localhost:8000' is not the address"),
        (["--endpoint", "file:///etc/passwd"], "not the address"),
        (["--endpoint", "http://me:word@host/v1"], "the address of http://host carries more"),
        (["--endpoint", "http://127.0.0.1:1/v1"], "--model"),
        (["--model", "big"], "'' is not the address"),
        (["--endpoint", "http://127.0.0.1:1/v1", "--policy", "p1"], "--policy p1 and an endpoint exclude each other"),
        (["--endpoint", "http://127.0.0.1:1/v1", "--model", "big", "--per-prompt", "1"], "per_prompt=1"),
        (["--endpoint", "http://127.0.0.1:1/v1", "--model", "big", "--set", "split=tset"], "split='tset'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_there_is_a_run(
    filled: Store, capsys: pytest.CaptureFixture, words: list[str], said: str
) -> None:
    status, out, err = call(filled, capsys, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert "word" not in err.replace("passwd", "")
    assert filled.runs.all() == []


def test_a_home_without_prompts_is_refused(store: Store, server: Server, capsys: pytest.CaptureFixture) -> None:
    status, _, err = call(store, capsys, "--endpoint", server.url, "--model", "big")
    assert status == 2
    assert "no prompts in the train split" in err
    assert store.runs.all() == []

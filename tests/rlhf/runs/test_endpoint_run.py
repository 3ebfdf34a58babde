# SPDX-License-Identifier: Apache-2.0
"""Runs that sample an endpoint: stored answers, the key, failures, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count

import pytest

import app
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.store import Store
from rlhf.runs.endpoint_run import EndpointSettings, run
from rlhf.sampling.openai_endpoint import KEY
from tests.support.endpoint_server import EndpointServer, reply_to_all, running_endpoint

SECRET = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with running_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def filled(store: Store) -> Store:
    """Add forty prompts, so every split has some."""
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test"} for n in range(40))
    return store


def sample(store: Store, server: EndpointServer, **given: object) -> dict:
    settings = parse_settings(EndpointSettings, {"endpoint": server.url, "model": "big", "at_once": 4, **given})
    return run(RunContext(store, store.runs.enqueue("endpoint", as_dict(settings), "test")), settings).report


def test_answers_are_stored_like_imported_ones_and_paired(filled: Store, server: EndpointServer) -> None:
    report = sample(filled, server, prompts=6, test_share=0.5)
    assert (report["prompts"], report["completions"], report["pairs"], report["unended"]) == (6, 12, 6, 6)
    assert report["splits"] == {"train": 3, "test": 3}
    pair = filled.pairs.all("train")[0]
    first = filled.completions.get(pair.first_id)
    assert (first.policy_id, first.model_name, first.token_ids, first.seed, first.run_id) == (None, "big", None, 0, 1)
    assert first.sampling == {"endpoint": server.url + "/chat/completions", "temperature": 1.0, "max_new_tokens": 512}


def test_the_home_does_not_contain_the_key(
    filled: Store, server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    sample(filled, server, prompts=3)
    filled.close()
    kept = [file.read_bytes() for file in filled.home.rglob("*") if file.is_file()]
    assert kept
    assert not any(SECRET.encode() in content for content in kept)


def test_sampling_again_starts_with_the_prompts_that_this_model_answered_least(
    filled: Store, server: EndpointServer
) -> None:
    half = filled.prompts.count("train") // 2
    for _ in range(3):
        sample(filled, server, prompts=half, test_share=0.0)
    counts = filled.completions.next_numbers("big")
    assert len(counts) in (2 * half, 2 * half + 1)
    assert set(counts.values()) == {2, 4}
    assert sum(counts.values()) == 6 * half  # the third time under new numbers, so new answers
    assert filled.completions.next_numbers("small") == {}


def test_a_failing_endpoint_leaves_whole_prompts_and_the_next_run_continues(
    filled: Store, server: EndpointServer
) -> None:
    turn = count(1)
    server.reply = lambda body: reply_to_all(body) if next(turn) <= 6 else (400, {"error": "out of credit"})
    with pytest.raises(BadInput, match="out of credit"):
        sample(filled, server, prompts=20, test_share=0.0)
    assert (filled.completions.count(), filled.pairs.count()) == (12, 6)
    server.reply = reply_to_all
    sample(filled, server, prompts=10, test_share=0.0)
    assert set(filled.completions.next_numbers("big").values()) == {2}


def reply(*messages: tuple[dict, str]) -> Callable[[dict], tuple[int, dict]]:
    """Return a reply of the server with these (message, finish_reason), in turn for as many as are asked for."""
    choices = [{"message": message, "finish_reason": finish} for message, finish in messages]
    return lambda body: (200, {"choices": [choices[index % len(choices)] for index in range(body["n"])]})


def test_empty_answers_are_counted_and_stored_nowhere(filled: Store, server: EndpointServer) -> None:
    server.reply = reply(({"content": None}, "stop"))
    report = sample(filled, server, prompts=3, test_share=0.0)
    assert report["skipped"] == {"empty answers": 6}
    assert report["finish_reasons"] == {"stop": 6}
    assert filled.completions.count() == filled.pairs.count() == 0


def test_the_good_one_of_two_answers_stays_and_the_next_run_makes_other_ones(
    filled: Store, server: EndpointServer
) -> None:
    server.reply = reply(({"content": ""}, "content_filter"), ({"content": "Tom."}, "stop"))
    prompts = filled.prompts.count("train")
    report = sample(filled, server, prompts=prompts, test_share=0.0)
    assert (report["completions"], report["pairs"]) == (prompts, 0)
    assert report["skipped"] == {"answers withheld by the server's filter": prompts}
    seeds = {body["seed"] for body in server.requests}
    assert set(filled.completions.next_numbers("big").values()) == {2}
    sample(filled, server, prompts=prompts, test_share=0.0)
    assert len({body["seed"] for body in server.requests} - seeds) == prompts


def test_cut_thoughts_ask_for_more_new_tokens(filled: Store, server: EndpointServer) -> None:
    server.reply = reply(
        ({"content": None, "reasoning_content": "Let me see"}, "length"), ({"content": "Tom and"}, "length")
    )
    report = sample(filled, server, prompts=3, test_share=0.0, max_new_tokens=80)
    assert (report["completions"], report["unended"]) == (3, 3)
    assert report["notes"] == [
        "6 of 6 answers were cut at max_new_tokens=80, 3 of them before the model's thoughts ended. "
        "Give the model more room: --set max_new_tokens=320"
    ]


def test_a_cancelled_run_keeps_the_stored_answers(filled: Store, server: EndpointServer) -> None:
    settings = parse_settings(
        EndpointSettings, {"endpoint": server.url, "model": "big", "prompts": 12, "at_once": 4, "test_share": 0.0}
    )
    context = RunContext(filled, filled.runs.enqueue("endpoint", as_dict(settings), "test"))
    context.cancelled = lambda: filled.completions.count() > 0
    with pytest.raises(Cancelled):
        run(context, settings)
    assert filled.completions.count() == 8


def call(store: Store, capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str, str]:
    status = app.main(["sample", *words, "--home", str(store.home)])
    return status, *capsys.readouterr()


def test_the_command_samples_in_its_own_process(
    filled: Store, server: EndpointServer, capsys: pytest.CaptureFixture
) -> None:
    status, out, _ = call(filled, capsys, "--endpoint", server.url, "--model", "big", "--prompts", "3", "--json")
    note = "3 of 6 answers were cut at max_new_tokens=512. Give the model more room: --set max_new_tokens=2048"
    assert (status, json.loads(out)) == (0, {"run": "run1", "status": "done", "produced": [], "notes": [note]})
    ended = filled.runs.get(1)
    assert (ended.kind, ended.state, ended.report["pairs"]) == ("endpoint", "done", 3)


def test_a_failure_is_one_document_on_stdout_and_status_1(
    filled: Store, server: EndpointServer, capsys: pytest.CaptureFixture
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
def test_impossible_arguments_are_refused_before_there_is_a_run(
    filled: Store, capsys: pytest.CaptureFixture, words: list[str], said: str
) -> None:
    status, out, err = call(filled, capsys, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert "word" not in err.replace("passwd", "")
    assert filled.runs.all() == []


def test_a_home_without_prompts_is_refused(store: Store, server: EndpointServer, capsys: pytest.CaptureFixture) -> None:
    store.policies.add(name="mine", kind="base", base="elsewhere")  # an empty home would get everyday prompts
    status, _, err = call(store, capsys, "--endpoint", server.url, "--model", "big")
    assert status == 2
    assert "no prompts in the train split" in err
    assert store.runs.all() == []

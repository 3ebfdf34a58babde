# SPDX-License-Identifier: Apache-2.0
"""Servers that die: their share goes to the others, and a run without any waits, says so, and can be cancelled."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.run_context import Cancelled
from reward.base.frozen_base import Base
from rlhf.sampling.rollout_sampler import NoiseKey, SamplingLimits
from rlhf.sampling.served import server_pool
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from tests.support.ppo_parts import shake
from tests.support.tiny_model import make_tiny_model
from tests.support.vllm.server import vllm_server

LIMITS = SamplingLimits(6, 4)
COUNT = 12
NOISE = NoiseKey(5, 2, [(row, 0) for row in range(COUNT)])


@pytest.fixture
def model(tmp_path):
    return make_tiny_model("llama", tmp_path / "model")


@pytest.fixture
def two(model):
    with vllm_server(model) as one, vllm_server(model) as other:
        yield one, other


@pytest.fixture
def base(model):
    loaded = Base.load(model)
    loaded.add_adapter("policy", trainable=True)
    shake(loaded, "policy")
    return loaded


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Try a failed server again soon."""
    monkeypatch.setattr(server_pool, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(server_pool, "LONGEST_PAUSE", 0.02)


def served(servers, folder, watch=lambda reason: None) -> Served:
    return Served(lambda base: [Server(server.url) for server in servers], folder / "served", "run17", watch)


def answers(sampler, base):
    with base.role("policy"):
        return sampler.answer(base, [base.encode_prompt("Name two animals.")] * COUNT, NOISE, LIMITS)


def published(servers, base, folder, watch=lambda reason: None) -> Served:
    sampler = served(servers, folder, watch)
    with base.role("policy"):
        sampler.publish(base)
    for server in servers:
        del server.requests[:]
    return sampler


def test_two_servers_share_the_requests_and_both_are_checked(two, base, tmp_path):
    sampler = published(two, base, tmp_path)
    assert len(sampler.report()["rollouts"]["checks"]) == 2
    answers(sampler, base)
    assert [len(server.requests) for server in two] == [COUNT // 2, COUNT // 2]


def test_the_share_of_a_dead_server_goes_to_the_living_one_and_the_answers_are_the_same(two, base, tmp_path):
    sampler = published(two, base, tmp_path)
    before = answers(sampler, base)
    two[0].die()
    assert answers(sampler, base) == before
    assert len(two[1].requests) >= COUNT


def test_a_server_that_dies_with_requests_in_flight_loses_none(two, base, tmp_path):
    sampler = published(two, base, tmp_path)
    before = answers(sampler, base)
    two[0].go_on.clear()
    two[0].asked.clear()

    def watch(reason: str) -> None:
        if two[0].asked.is_set() and two[0].alive:
            two[0].die()
            two[0].go_on.set()

    sampler._pool.watch = watch
    assert answers(sampler, base) == before
    assert not two[0].alive


def test_a_server_that_was_started_again_gets_the_adapter_once_more(two, base, tmp_path):
    sampler = published(two[:1], base, tmp_path)
    before = answers(sampler, base)
    two[0].die()
    two[0].start()
    assert two[0].adapters == {}
    assert answers(sampler, base) == before
    assert len(two[0].adapters) == 1


def test_without_a_living_server_the_run_waits_says_so_and_goes_on(two, base, tmp_path):
    reasons = []
    sampler = published(two, base, tmp_path)
    before = answers(sampler, base)
    for server in two:
        server.die()

    def watch(reason: str) -> None:
        reasons.append(reason)
        if reason and not two[1].alive and len([r for r in reasons if r]) > 5:
            two[1].start()

    sampler._pool.watch = watch
    assert answers(sampler, base) == before
    said = next(reason for reason in reasons if reason)
    assert all(server.url in said for server in two)
    assert "could not be reached" in said
    assert reasons[-1] == ""


def test_a_waiting_run_can_be_cancelled(two, base, tmp_path):
    sampler = published(two, base, tmp_path)
    for server in two:
        server.die()

    def watch(reason: str) -> None:
        if reason:
            raise Cancelled

    sampler._pool.watch = watch
    with pytest.raises(Cancelled):
        answers(sampler, base)


def test_a_run_whose_server_never_replies_can_be_cancelled(two, base, tmp_path):
    sampler = published(two[:1], base, tmp_path)
    two[0].go_on.clear()
    two[0].asked.clear()

    def watch(reason: str) -> None:
        if two[0].asked.is_set():
            raise Cancelled

    sampler._pool.watch = watch
    with pytest.raises(Cancelled):
        answers(sampler, base)


def test_new_weights_reach_the_living_server_while_another_is_dead(two, base, tmp_path):
    sampler = published(two, base, tmp_path)
    two[0].die()
    shake(base, "policy")
    with base.role("policy"):
        sampler.publish(base)
    assert answers(sampler, base).ids
    assert [len(server.adapters) for server in two] == [1, 2]


def test_a_server_that_is_dead_at_the_start_is_refused_by_its_address(two, base, tmp_path):
    two[1].die()
    with pytest.raises(BadInput, match=f"{two[1].url} could not be reached"):
        served(two, tmp_path).publish(base)


def test_an_error_of_the_server_itself_is_not_repeated_for_ever(two, base, tmp_path, monkeypatch):
    from tests.support.vllm.server import Refusal

    sampler = published(two, base, tmp_path)

    def broken(body):
        raise Refusal(500, "EngineCore encountered an issue")

    for server in two:
        monkeypatch.setattr(server, "complete", broken)
    with pytest.raises(BadInput, match="answered 500: EngineCore"):
        answers(sampler, base)
    assert max(len(server.requests) for server in two) <= COUNT * server_pool.ATTEMPTS

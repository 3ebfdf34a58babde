# SPDX-License-Identifier: Apache-2.0
"""A run that starts a vLLM server of its own, uses it, and ends it; the command is one with a tiny server."""

from __future__ import annotations

import sys

import pytest

from data.errors import BadInput
from data.run_context import Cancelled
from reward.base.frozen_base import Base
from rlhf.common.http_json import RequestFailed
from rlhf.sampling.rollout_sampler import NoiseKey, SamplingLimits
from rlhf.sampling.served import own_server
from rlhf.sampling.served.own_server import OwnServer, serve_arguments
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from rlhf.sampling.served.vllm_command import COMMAND
from tests.support import ROOT
from tests.support.ppo_parts import shake
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(own_server, "LOOK_SECONDS", 0.05)


@pytest.fixture
def base(tmp_path):
    loaded = Base.load(make_tiny_model("llama", tmp_path / "model"))
    loaded.add_adapter("policy", trainable=True)
    shake(loaded, "policy")
    return loaded


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that makes a shell line the command vllm."""

    def make(line):
        script = tmp_path / "vllm"
        script.write_text(f'#!/bin/sh\ncd "{ROOT}"\n{line}\n')
        script.chmod(0o755)
        monkeypatch.setenv(COMMAND, str(script))

    return make


def test_a_server_of_the_runs_own_answers_and_is_gone_afterwards(base, tmp_path, command):
    command(f'exec "{sys.executable}" -m tests.support.vllm.command "$@"')
    reasons = []
    own = OwnServer(tmp_path / "vllm.txt", reasons.append)
    sampler = Served(lambda loaded: [own.start(loaded)], tmp_path / "served", "run17", reasons.append)
    try:
        with base.role("policy"):
            sampler.publish(base)
            prompts = [base.encode_prompt("Name two animals.")] * 3
            noise = NoiseKey(1, 1, [(row, 0) for row in range(3)])
            assert len(sampler.answer(base, prompts, noise, SamplingLimits(4, 4)).ids) == 3
        (url,) = sampler.report()["rollouts"]["servers"]
        with pytest.raises(RequestFailed, match="401"):  # nobody else knows its key
            Server(url).read_base()
    finally:
        sampler.close()
        own.stop()
    with pytest.raises(RequestFailed, match="could not be reached"):
        Server(url).read_base()
    assert reasons[0] == "waiting for the vLLM server of this run to start"
    assert f"arguments: serve {tmp_path / 'model'}" in (tmp_path / "vllm.txt").read_text()


def test_a_server_that_ends_while_it_starts_is_refused_with_its_last_line(base, tmp_path, command):
    command("echo loading; echo 'ValueError: no space for the cache'; exit 1")
    own = OwnServer(tmp_path / "vllm.txt", lambda reason: None)
    with pytest.raises(BadInput, match=r"has ended: ValueError: no space for the cache.*vllm.txt"):
        own.start(base)


def test_a_run_can_be_cancelled_while_its_server_starts(base, tmp_path, command):
    command("exec sleep 600")

    def watch(reason: str) -> None:
        raise Cancelled

    own = OwnServer(tmp_path / "vllm.txt", watch)
    with pytest.raises(Cancelled):
        own.start(base)
    process = own._process
    own.stop()
    assert process.poll() is not None


def test_the_arguments_are_those_that_make_both_sides_agree(base):
    arguments = serve_arguments(base, "http://127.0.0.1:8123", more_rank=1)
    options = dict(zip(arguments, arguments[1:], strict=False))
    assert (options["--port"], options["--dtype"], options["--max-model-len"]) == ("8123", "float32", str(base.context))
    assert (options["--logprobs-mode"], options["--generation-config"]) == ("processed_logprobs", "vllm")
    assert int(options["--max-lora-rank"]) == next(
        rank for rank in (8, 16, 32) if rank >= base.adapter_config("policy").r + 1
    )

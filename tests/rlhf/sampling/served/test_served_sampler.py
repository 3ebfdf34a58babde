# SPDX-License-Identifier: Apache-2.0
"""Answers from a server over HTTP: what is sent, what is refused, and the check that both compute the same."""

from __future__ import annotations

import re

import pytest

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.sampling.rollout_sampler import IN_PROCESS, NoiseKey, SamplingLimits
from rlhf.sampling.sampler import banned_ids
from rlhf.sampling.served.agreement import answer_logps
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from tests.support.ppo_parts import shake
from tests.support.tiny_model import make_ending_model, make_tiny_model
from tests.support.vllm.server import vllm_server

LIMITS = SamplingLimits(8, 4, 0.7)
NOISE = NoiseKey(5, 2, [(3, 0), (3, 1), (4, 0)])


@pytest.fixture
def model(tmp_path):
    return make_ending_model(tmp_path / "model")


@pytest.fixture
def server(model):
    with vllm_server(model) as running:
        yield running


@pytest.fixture
def base(model):
    loaded = Base.load(model)
    loaded.add_adapter("policy", trainable=True)
    shake(loaded, "policy")
    return loaded


def served(server, folder, **options) -> Served:
    return Served(lambda base: [Server(server.url)], folder / "served", "run17", lambda reason: None, **options)


def prompts(base):
    return [base.encode_prompt(text) for text in ("Name two animals.", "Name two animals.", "Give a tip.")]


def test_every_answer_is_a_request_with_its_own_seed_and_all_sampling_settings(server, base, tmp_path):
    sampler = served(server, tmp_path)
    with base.role("policy"):
        sampler.publish(base)
        del server.requests[:]
        answers = sampler.answer(base, prompts(base), NOISE, LIMITS)
    sent = {tuple(body["prompt"]): body for body in server.requests}
    assert len(server.requests) == 3
    assert {body["seed"] for body in server.requests} == set(NOISE.request_seeds())
    assert len(set(NOISE.request_seeds())) == 3
    body = sent[tuple(prompts(base)[2])]
    assert {name: body[name] for name in ("temperature", "top_p", "top_k", "min_p", "logprobs", "max_tokens")} == {
        "temperature": 0.7,
        "top_p": 1,
        "top_k": -1,
        "min_p": 0,
        "logprobs": 0,
        "max_tokens": 8,
    }
    assert body["return_token_ids"] is True
    assert body["logit_bias"] == {str(token): -100 for token in banned_ids(base)}
    assert sorted(body["stop_token_ids"]) == sorted(base.eos_ids)
    assert re.fullmatch(r"run17-[0-9a-f]{8}-policy-v1", body["model"])
    with base.role("policy"):
        for prompt, ids, logps in zip(prompts(base), answers.ids, answers.logps, strict=True):
            assert logps == pytest.approx(answer_logps(base, prompt, ids, 0.7).tolist(), abs=1e-4)
    assert answers.ended == [ids[-1] in base.eos_ids for ids in answers.ids]


def test_answers_are_in_order_whatever_the_order_of_replies_and_repeat_by_their_seeds(server, base, tmp_path):
    sampler = served(server, tmp_path)
    many = [prompt for prompt in prompts(base) for _ in range(5)]
    noise = NoiseKey(5, 2, [(row, 0) for row in range(len(many))])
    with base.role("policy"):
        sampler.publish(base)
        first, again = (sampler.answer(base, many, noise, LIMITS) for _ in range(2))
    assert first.ids == again.ids
    assert len({tuple(ids) for ids in first.ids}) > 10
    name = server.requests[-1]["model"]
    about = {"model": name, "max_tokens": 8, "temperature": 0.7}
    about["logit_bias"] = dict.fromkeys(map(str, banned_ids(base)), -100)
    alone = [
        server.complete(about | {"prompt": prompt, "seed": seed})["choices"][0]["token_ids"]
        for prompt, seed in zip(many, noise.request_seeds(), strict=True)
    ]
    assert first.ids == alone


def test_the_bare_base_needs_no_adapter(server, base, tmp_path):
    sampler = served(server, tmp_path)
    sampler.publish(base)
    assert sampler.answer(base, prompts(base), NOISE, LIMITS).ids
    assert server.admin == []
    assert {body["model"] for body in server.requests} == {"base"}


def test_an_answer_that_ends_at_the_limit_has_ended(server, base, tmp_path):
    """vLLM calls its reason length then."""
    sampler = served(server, tmp_path)
    sampler.publish(base)
    noise = NoiseKey(1, 1, [(row, 0) for row in range(60)])
    answers = sampler.answer(base, prompts(base)[:1] * 60, noise, SamplingLimits(1, 4))
    assert 0 < sum(answers.ended) < 60  # every eighth token is an end token
    assert answers.ended == [ids[0] in base.eos_ids for ids in answers.ids]


def test_unchanged_weights_are_not_sent_again_and_changed_ones_get_a_new_name(server, base, tmp_path):
    sampler = served(server, tmp_path)
    with base.role("policy"):
        sampler.publish(base)
        sampler.publish(base)
        assert len(server.admin) == 1
        shake(base, "policy")
        sampler.publish(base)
        sampler.answer(base, prompts(base), NOISE, LIMITS)
    assert [body["lora_name"][-2:] for _, body in server.admin] == ["v1", "v2"]
    assert server.requests[-1]["model"].endswith("-policy-v2")
    sampler.close()
    assert server.adapters == {}


def raw(server):
    server.raw_logps = True


def renames(server):
    server.answers_as = "run16-v9"


def short(server):
    server.max_model_len = 40


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (raw, r"compute different log-probabilities: -?\d+\.\d+ and -?\d+\.\d+ per token.*processed_logprobs"),
        (renames, "answered as 'run16-v9' instead of 'run17-"),
        (short, "reads 40 tokens, and the longest prompt and its answer have 100"),
    ],
)
def test_a_faulty_server_is_refused_at_the_start(server, base, tmp_path, fault, message):
    fault(server)
    sampler = served(server, tmp_path)
    sampler.expect(100)
    with base.role("policy"), pytest.raises(BadInput, match=message) as refused:
        sampler.publish(base)
    assert refused.value.field == "rollouts"


def test_another_base_is_refused_with_both_numbers(base, tmp_path):
    with vllm_server(make_tiny_model("llama", tmp_path / "other", seed=9)) as other:
        sampler = served(other, tmp_path)
        with pytest.raises(BadInput, match=r"mean difference is \d.* on the base"):
            sampler.publish(base)


def test_a_server_that_ignores_banned_tokens_is_refused(server, base, tmp_path):
    server.ignores_bans = True
    with pytest.raises(BadInput, match="different log-probabilities|which no answer may contain"):
        served(server, tmp_path).publish(base)


def test_a_server_of_16_bits_has_a_wider_limit(server, base, tmp_path, monkeypatch):
    """A difference of 0.01 is more than float32 makes, and less than bfloat16 does."""
    real = server.complete

    def shifted(body):
        document = real(body)
        logps = document["choices"][0]["logprobs"]
        logps["token_logprobs"] = [logp - 0.01 for logp in logps["token_logprobs"]]
        return document

    monkeypatch.setattr(server, "complete", shifted)
    served(server, tmp_path, bf16=True).publish(base)
    with pytest.raises(BadInput, match=r"mean difference is 0.01, the limit 0.0001"):
        served(server, tmp_path).publish(base)


def test_the_key_is_sent_and_a_server_that_refuses_it_is_named(model, base, tmp_path):
    with vllm_server(model, key="secret") as locked:
        with pytest.raises(BadInput, match=r"answered 401.*PREFERENCE_LOOP_ROLLOUT_KEYS"):
            served(locked, tmp_path).publish(base)
        keyed = Served(lambda _: [Server(locked.url, "secret")], tmp_path / "served", "run17", lambda reason: None)
        keyed.publish(base)


@pytest.mark.parametrize(("dora", "targets"), [(True, ["q_proj"]), (False, ["q_proj", "lm_head"])])
def test_adapters_that_vllm_applies_in_part_are_refused_by_name(server, model, tmp_path, dora, targets):
    from peft import LoraConfig

    base = Base.load(model)
    base.add_adapter("policy", config=LoraConfig(r=2, target_modules=targets, use_dora=dora, task_type="CAUSAL_LM"))
    with base.role("policy"), pytest.raises(BadInput, match="it has (lora_magnitude|lm_head)"):
        served(server, tmp_path).publish(base)
    assert server.admin == []


def test_a_server_that_does_not_apply_adapters_is_refused_with_the_first_trained_one(server, model, tmp_path):
    """A fresh LoRA changes nothing, so no check of it can notice."""
    base, sampler = Base.load(model), served(server, tmp_path)
    base.add_adapter("policy", trainable=True)
    server.ignores_adapters = True
    with base.role("policy"):
        sampler.publish(base)
        shake(base, "policy")
        with pytest.raises(BadInput, match="compute different log-probabilities"):
            sampler.publish(base)


def test_two_bases_are_refused(server, base, tmp_path):
    sampler, other = served(server, tmp_path), Base.load(make_tiny_model("llama", tmp_path / "other", seed=9))
    sampler.publish(base)
    with pytest.raises(BadInput, match="hold one base, and this run has another one too"):
        sampler.publish(other)


def test_a_temperature_at_which_banned_tokens_return_is_refused(server, base, tmp_path):
    sampler = served(server, tmp_path)
    sampler.publish(base)
    with pytest.raises(BadInput, match="only up to temperature 4"):
        sampler.answer(base, prompts(base), NOISE, SamplingLimits(8, 4, 5.0))


def test_no_prompt_is_no_request(server, base, tmp_path):
    sampler = served(server, tmp_path)
    sampler.publish(base)
    assert sampler.answer(base, [], NOISE._replace(rows=[]), LIMITS) == IN_PROCESS.answer(
        base, [], NOISE._replace(rows=[]), LIMITS
    )

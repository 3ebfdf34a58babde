# SPDX-License-Identifier: Apache-2.0
"""PPO on answers of a server: the same run as in process for the same noise, weights where a server sampled."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from rlhf.ppo.rollout import agreement_metrics, correction_weights
from rlhf.sampling.rollout_sampler import IN_PROCESS
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from tests.support.ppo_parts import begun, ppo_config, ppo_trainer, rollouts, starting_adapter, tiny_base
from tests.support.vllm.server import share_noise, vllm_server

UPDATES = 6
OPTIONS = {"learning_rate": 1e-2, "kl_budget": 1e3, "kl_target": None, "importance_cap": 2.0}


@pytest.fixture
def server(tmp_path):
    tiny_base("llama", tmp_path)
    with vllm_server(tmp_path / "llama") as running:
        yield running


def served(server, folder) -> Served:
    return Served(lambda base: [Server(server.url)], folder / "served", "run17", watch=lambda reason: None)


def trained(tmp_path, sampler=IN_PROCESS):
    base = tiny_base("llama", tmp_path)
    config = ppo_config(tmp_path, UPDATES, **OPTIONS)
    trainer = ppo_trainer(base, config, start=starting_adapter(base, tmp_path))
    trainer.collector.sampler = sampler
    trainer.train()
    return rollouts(trainer)


def test_a_served_run_with_the_noise_of_this_process_is_the_run_in_process(server, tmp_path, monkeypatch):
    """Batches of one and of eight round differently, by about 1e-6 a token, which no draw of these seeds notices."""
    share_noise(server, monkeypatch)
    sampler = served(server, tmp_path)
    try:
        there = trained(tmp_path, sampler)
    finally:
        sampler.close()
    here = trained(tmp_path)
    assert len(there) == len(here) == UPDATES
    for name in ("reward", "kl", "length", "entropy", "policy_loss"):
        assert [log[name] for log in there] == pytest.approx([log[name] for log in here], abs=1e-3)
    assert here[-1]["kl"] > 0.05  # the policy moved, so both could have parted
    assert max(log["sampler_difference"] for log in there) < 1e-4
    assert max(abs(log["sampler_kl"]) for log in there) < 1e-6
    assert max(log["sampler_ratio_max"] for log in there) < 1.01
    check_versions(server, tmp_path)


def check_versions(server, tmp_path) -> None:
    """A reference, and a policy for each update and the end: at most two of the policy at once; nothing stays."""
    loaded = [body["lora_name"] for verb, body in server.admin if verb == "load_lora_adapter"]
    run, mark = loaded[0].split("-")[:2]
    assert run == "run17"
    assert loaded == [
        f"run17-{mark}-reference-v1",
        *(f"run17-{mark}-policy-v{number}" for number in range(1, UPDATES + 2)),
    ]
    gone = [body["lora_name"] for verb, body in server.admin if verb == "unload_lora_adapter"]
    assert gone[: UPDATES - 1] == [f"run17-{mark}-policy-v{number}" for number in range(1, UPDATES)]
    assert set(gone) == set(loaded)
    assert server.adapters == {}
    assert not (tmp_path / "served").exists()
    paths = [body["lora_path"] for verb, body in server.admin if verb == "load_lora_adapter"]
    assert len(set(paths)) == len(loaded)  # a server keeps what it computed by name and path


def test_in_process_rollouts_are_generate_and_every_weight_is_exactly_one(tmp_path):
    base = tiny_base("llama", tmp_path)
    trainer = begun(base, tmp_path)
    prompts = trainer.prompts[:5]
    with base.role("policy"):
        answers = trainer.collector.sample(prompts, 3, first=2)
        noise = draw_uniforms(trainer.args.seed, 3, range(2, 7), trainer.args.max_new_tokens)
        expected = generate(base, prompts, noise, max_new_tokens=trainer.args.max_new_tokens, banned=banned_ids(base))
    assert answers == expected
    assert (trainer._experience.weights == 1).all()


def test_weights_of_a_server_are_ratios_even_where_the_difference_is_tiny(server, tmp_path):
    base = tiny_base("llama", tmp_path)
    trainer = begun(base, tmp_path)
    rollout = trainer._collect(0)
    shifted = rollout._replace(
        answers=rollout.answers._replace(logps=[[logp - 1e-5 for logp in row] for row in rollout.answers.logps])
    )
    assert (correction_weights(shifted, 2.0) == 1).all()
    weights = correction_weights(shifted, 2.0, served=True)
    ratios = (shifted.old.logps - shifted.sampler_logps).exp()
    assert torch.equal(weights[rollout.mask], ratios[rollout.mask].clamp(max=2.0))
    assert (weights[rollout.mask] > 1).any()
    far = rollout._replace(
        answers=rollout.answers._replace(logps=[[logp - 3.0 for logp in row] for row in rollout.answers.logps])
    )
    assert (correction_weights(far, 2.0, served=True)[rollout.mask] == 2).all()


def test_kl_and_largest_ratio_of_sampler_and_trainer_are_those_of_the_definition(tmp_path):
    """All log-probabilities of the sampler are log 2 lower: ratio 2, k3 = 2 - 1 - log 2."""
    trainer = begun(tiny_base("llama", tmp_path), tmp_path)
    rollout = trainer._collect(0)
    log2 = torch.log(torch.tensor(2.0)).item()
    halved = rollout._replace(
        answers=rollout.answers._replace(
            logps=[
                (row[: len(ids)] - log2).tolist()
                for row, ids in zip(rollout.old.logps, rollout.answers.ids, strict=True)
            ]
        )
    )
    metrics = agreement_metrics(halved)
    assert metrics["sampler_ratio_max"] == pytest.approx(2.0, rel=1e-5)
    assert metrics["sampler_kl"] == pytest.approx(1 - log2, rel=1e-4)


def test_a_checkpoint_of_a_served_run_does_not_go_on_in_process(server, tmp_path):
    def run(sampler, **resume):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, 2, save_strategy="steps"))
        trainer.collector.sampler = sampler
        trainer.train(**resume)

    sampler = served(server, tmp_path)
    run(sampler)
    sampler.close()
    checkpoint = next((tmp_path / "ppo").glob("checkpoint-*"))
    with pytest.raises(BadInput, match="another sampler: served, now in process"):
        run(IN_PROCESS, resume_from_checkpoint=str(checkpoint))

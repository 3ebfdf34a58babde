# SPDX-License-Identifier: Apache-2.0
"""SFT and DPO of all weights: a policy like any other, exact resumption, a frozen reference, and nothing half-written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import app
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from rlhf.kinds import KINDS
from rlhf.methods.dpo import EncodedComparison, build_trainer
from rlhf.models.finetuning import trainable_model
from rlhf.runs.preflight import CHECKS
from rlhf.settings import DPOSettings
from tests.support.tiny_model import make_tiny_model
from tests.support.tuning import FULL, SETTINGS, filled, worked

KIND = pytest.mark.parametrize("kind", SETTINGS)
PROMPT = "Write a note to Mina."


@pytest.fixture
def notes(tmp_path, base_folder):
    store = filled(tmp_path / "home", base_folder)
    yield store
    store.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    """(store, {kind: ended run}) of a full fine-tuning by SFT, and one by DPO."""
    store = filled(tmp_path_factory.mktemp("home"), base_folder)
    yield store, {kind: worked(store, kind, SETTINGS[kind]) for kind in SETTINGS}
    store.close()


def produced(store, run):
    assert run.state == "done", run.error
    return store.policies.get(run.produced[0])


def weights(policy):
    return Base.load(policy.base).causal.state_dict()


def logits(base, role=None):
    ids = torch.tensor([base.encode_prompt(PROMPT)])
    with torch.no_grad(), base.role(role):
        return base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))


@KIND
def test_all_weights_are_trained_and_stored_as_a_bare_policy_in_the_home(finished, base_folder, kind):
    store, runs = finished
    policy = produced(store, runs[kind])
    assert (policy.kind, policy.parent_id, policy.adapter, policy.run_id) == (kind, 1, None, runs[kind].id)
    assert policy.base == str(store.home.resolve() / "policies" / policy.public)
    before, after = Base.load(base_folder).causal.state_dict(), weights(policy)
    assert before.keys() == after.keys()
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    assert policy.versions["fingerprint"] == Base.load(policy.base).fingerprint
    assert list((store.home / "runs" / str(runs[kind].id)).iterdir()) == []


def test_the_loss_falls_and_better_answers_rise(finished):
    store, runs = finished
    (_, first), *_, (_, last) = store.metrics.series(runs["sft"].id, "loss")
    assert last < first
    assert runs["dpo"].report["accuracy"] == 1.0
    assert runs["dpo"].report["margin"] > 0.5


@KIND
def test_the_trainers_leave_the_configuration_of_the_model_as_it_was(finished, base_folder, kind):
    """They change end tokens and the router's loss for themselves."""
    store, runs = finished
    place = Path(produced(store, runs[kind]).base)
    for name in ("config.json", "generation_config.json"):
        own, new = (json.loads((folder / name).read_text()) for folder in (base_folder, place))
        assert new == own | {"transformers_version": new["transformers_version"]}, name


SHORT = {"max_new_tokens": 4, "batch_size": 8}
SMALL = {"epochs": 1, "rank": 2, "batch_size": 8}
NEXT = {
    "sample": {"prompts": 4, **SHORT},
    "compare": {"against": "p1", "prompts": 4, "best_of": 0, "draws": 1, "judge": "reward", **SHORT},
    "sft": {"max_steps": 1, **SMALL},
    "dpo": {"max_steps": 1, "labels": "import", **SMALL},
    "ppo": {"max_steps": 1, "batch_size": 8, "minibatch": 4, "epochs": 1, "max_new_tokens": 4, "validation_prompts": 4},
    "rejection": {"n": 2, "prompts_per_round": 8, "rounds": 1, "max_new_tokens": 40, **SMALL},
    "pretrain": {"text": "starter", "max_steps": 1, "batch_size": 4},
}


def test_a_fully_tuned_policy_is_a_policy_like_any_other(tmp_path):
    """It is sampled, compared, and the parent of reward models and of every training."""
    folder = make_tiny_model("llama", tmp_path / "model")
    config = json.loads((folder / "generation_config.json").read_text()) | {"eos_token_id": list(range(0, 320, 8))}
    (folder / "generation_config.json").write_text(json.dumps(config))  # or no answer to imitate would end
    store = filled(tmp_path / "home", folder)
    tuned = produced(store, worked(store, "sft", FULL | {"max_steps": 2}))
    ended = worked(store, "reward", {"from": tuned.public, "labels": "import", "max_steps": 2, **SMALL})
    assert ended.state == "done", ended.error
    assert store.reward_models.get(ended.produced[0]).base == tuned.base
    for kind, settings in NEXT.items():
        named = {"policies": tuned.public} if kind == "compare" else {"from": tuned.public}
        judge = {"reward": ended.produced[0]} if kind in ("compare", "ppo", "rejection") else {}
        after = worked(store, kind, named | judge | settings)
        assert (kind, after.state, after.error) == (kind, "done", None)
        if kind in ("sft", "dpo", "ppo", "rejection"):
            child = store.policies.get(after.produced[0])
            assert (child.base, child.parent_id) == (tuned.base, tuned.id)
    store.close()


@KIND
def test_it_is_exported_as_the_whole_model_that_it_is(finished, tmp_path, capsys, kind):
    store, runs = finished
    policy = produced(store, runs[kind])
    command = ["export", str(tmp_path / "out"), "--what", "policy", "--id", policy.public, "--home", str(store.home)]
    assert app.main(command) == 0
    assert torch.equal(logits(Base.load(tmp_path / "out")), logits(Base.load(policy.base)))
    assert app.main(["policies", "merge", policy.public, "--home", str(store.home)]) == 2
    assert f"{policy.public} has no adapter to merge" in capsys.readouterr().err


@KIND
def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(notes, monkeypatch, kind):
    whole = produced(notes, worked(notes, kind, SETTINGS[kind]))
    monkeypatch.setattr("data.run_context.PROGRESS_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(RunContext, "cancelled", lambda self: self.store.runs.get(self.run.id).done >= 2)
        first = worked(notes, kind, SETTINGS[kind])
    assert first.state == "cancelled"
    (checkpoint,) = (notes.home / "runs" / str(first.id)).rglob("checkpoint-*")
    assert checkpoint.name == "checkpoint-2"
    second = produced(notes, worked(notes, kind, SETTINGS[kind], resumes=first.id))
    one, two = weights(whole), weights(second)
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@KIND
def test_a_parent_with_an_adapter_is_trained_with_the_adapter_in_its_weights(notes, base_folder, kind):
    base = Base.load(base_folder)
    base.add_adapter("made", config=lora_config(base.causal, 2, dora=True))  # no LoRA could be added to a DoRA
    for matrix in base.parameters("made"):
        torch.nn.init.normal_(matrix, std=0.2)
    base.save_adapter("made", notes.home / "made")
    parent = notes.policies.publish(notes.home / "made", name="made", kind="sft", base=str(base_folder))
    settings = SETTINGS[kind] | {"from": parent.public, "learning_rate": 1e-12, "max_steps": 1}
    for need in KINDS[kind].needs:
        CHECKS[need](notes, parse_settings(KINDS[kind].settings_class(), settings))
    policy = produced(notes, worked(notes, kind, settings))
    expected = logits(base, "made")
    torch.testing.assert_close(logits(Base.load(policy.base)), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(expected, logits(base), atol=1e-1)


def test_the_dpo_loss_has_the_start_as_reference_after_the_weights_have_moved(notes, base_folder, tmp_path):
    settings = parse_settings(DPOSettings, SETTINGS["dpo"] | {"beta": 0.3})
    pair = EncodedComparison(1, [5, 9, 17, 2], [30, 41, 7], [12, 80, 33, 21, 0])
    base, start = Base.load(base_folder), Base.load(base_folder)
    context = RunContext(notes, notes.runs.enqueue("dpo", as_dict(settings), "test"))
    model = trainable_model(context, settings, base, None)
    trainer = build_trainer(tmp_path / "trainer", settings, base, model, [pair], [pair])
    rows = [pair.columns()]
    reference = trainer.reference_logps(rows)
    assert np.abs(trainer.implicit_rewards(rows, reference)).max() < 1e-6
    with torch.no_grad():
        for number, matrix in enumerate(model.parameters()):
            matrix += 0.3 * torch.randn(matrix.shape, generator=torch.Generator().manual_seed(number))
    (row,) = trainer.train_dataset.to_list()
    computed = trainer.compute_loss(model, trainer._prepare_inputs(trainer.data_collator([row]))).item()
    better, worse = (
        logp(base, pair.prompt, ids) - logp(start, pair.prompt, ids) for ids in (row["chosen_ids"], row["rejected_ids"])
    )
    assert abs(better - worse) > 0.2
    assert computed == pytest.approx(math.log1p(math.exp(-0.3 * (better - worse))), rel=1e-4)
    assert trainer.implicit_rewards(rows, reference)[0] == pytest.approx(0.3 * np.array([better, worse]), abs=1e-3)


def logp(base, prompt, answer):
    """Return the sum of the answer's log-probabilities, by transformers' own forward pass."""
    with torch.no_grad():
        table = type(base.causal).forward(base.causal, torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
    return sum(table[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))

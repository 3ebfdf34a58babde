# SPDX-License-Identifier: Apache-2.0
"""Adapters on the frozen base: switching, training, saving and dropping one leaves the others unchanged."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM

from data.errors import BadInput
from reward.base.frozen_base import Base
from tests.support.tiny_model import KINDS, make_tiny_model


def randomise(base, name, seed=0):
    """Give an adapter weights that change the output (a fresh one is the identity)."""
    torch.manual_seed(seed)
    for matrix in base.parameters(name):
        matrix.data.normal_(std=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_roles_switch_and_the_bare_base_is_untouched(kind, tmp_path):
    base = Base.load(make_tiny_model(kind, tmp_path))
    batch = base.collate([base.encode_prompt("Name two animals.")])
    bare = base.hidden(*batch)
    for seed, name in enumerate(("policy", "reward:r3")):
        base.add_adapter(name)
        randomise(base, name, seed)
    with base.role("policy"):
        policy = base.hidden(*batch)
        with base.role("reward:r3"):
            reward = base.hidden(*batch)
        assert torch.equal(base.hidden(*batch), policy)
    assert torch.equal(base.hidden(*batch), bare)
    assert not torch.allclose(policy, bare, atol=1e-2)
    assert not torch.allclose(policy, reward, atol=1e-2)


def test_only_trainable_adapters_need_gradients_after_any_switch(base):
    base.add_adapter("policy", trainable=True)
    base.add_adapter("value", trainable=True)
    base.add_adapter("reference")
    for name in (None, "reference", "value", "policy"):
        with base.role(name):
            pass
        wanted = {*base.parameters("policy"), *base.parameters("value")}
        assert {p for p in base.model.parameters() if p.requires_grad} == wanted


def test_both_trainable_adapters_move_after_one_step(base):
    for name in ("policy", "value"):
        base.add_adapter(name, trainable=True)
        randomise(base, name)
    batch = base.collate([base.encode_prompt("Hi")])
    loss = 0.0
    for name in ("policy", "value"):
        with base.role(name):
            loss = loss + base.hidden(*batch).square().mean()
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for name in ("policy", "value") for p in base.parameters(name))


def test_dropout_stays_off(base):
    base.add_adapter("policy", trainable=True)
    assert not any(module.training for module in base.model.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_loads_here_and_in_peft(kind, tmp_path):
    folder = make_tiny_model(kind, tmp_path / "base")
    base = Base.load(folder)
    base.add_adapter("policy")
    randomise(base, "policy")
    batch = base.collate([base.encode_prompt("Name two animals.")])
    with base.role("policy"):
        expected = base.hidden(*batch)
    base.save_adapter("policy", tmp_path / "p4")
    again = Base.load(folder)
    again.add_adapter("other", tmp_path / "p4")
    with again.role("other"):
        assert torch.equal(again.hidden(*batch), expected)
    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "p4").eval()
    assert torch.allclose(peft(batch[0]).logits, base.logits(expected), atol=1e-4)


def test_dropping_adapters_leaves_the_others_and_then_the_bare_base(base):
    batch = base.collate([base.encode_prompt("Hi")])
    bare = base.hidden(*batch)
    for name in ("one", "two"):
        base.add_adapter(name, trainable=True)
        randomise(base, name)
    with base.role("two"):
        expected = base.hidden(*batch)
        base.drop_adapter("one")
        assert torch.equal(base.hidden(*batch), expected)
    assert all(p.requires_grad for p in base.parameters("two"))
    base.drop_adapter("two")
    assert torch.equal(base.hidden(*batch), bare)
    base.add_adapter("one")


def test_an_adapter_of_another_shape_is_refused_and_nothing_stays(base, tmp_path):
    other = Base.load(make_tiny_model("llama", tmp_path / "wide", hidden=64))
    other.add_adapter("policy")
    other.save_adapter("policy", tmp_path / "p1")
    with pytest.raises(BadInput, match="does not fit"):
        base.add_adapter("policy", tmp_path / "p1")
    assert base.adapters == ()


def test_the_configuration_a_caller_gives_stays_as_it_was(tmp_path):
    base = Base.load(make_tiny_model("llama", tmp_path))
    config = LoraConfig(r=4, lora_dropout=0.5, target_modules="all-linear", task_type="SEQ_CLS", inference_mode=True)
    before = config.to_dict()
    base.add_adapter("policy", config=config)
    assert config.to_dict() == before
    assert base.model.peft_config["policy"].lora_dropout == 0.0

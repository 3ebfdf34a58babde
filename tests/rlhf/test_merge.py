# SPDX-License-Identifier: Apache-2.0
"""A merged policy answers as the policy did, stands on a base of its own, and can be trained on."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

import app
from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from reward.base.stackable import check_stackable
from rlhf.merge import merge_policy
from rlhf.models.policy_loading import Bases, load_policy
from tests.support.tiny_families import FAMILIES, make_family
from tests.support.tiny_model import CHAT_TEMPLATE, make_tiny_model

PROMPT = "Name two animals."


def publish(store, kind, folder, **options):
    """Return a policy with a random adapter on a base of that kind."""
    (make_family if kind in FAMILIES else make_tiny_model)(kind, folder)
    base = Base.load(folder)
    base.add_adapter("made", config=lora_config(base.causal, 2, **options))
    torch.manual_seed(3)
    for matrix in base.parameters("made"):
        torch.nn.init.normal_(matrix, std=0.1)
    base.save_adapter("made", store.home / "new")
    template = CHAT_TEMPLATE.replace("user", "assistant")
    return store.policies.publish(
        store.home / "new",
        name="sft",
        kind="sft",
        base=str(folder),
        versions={"chat_template": template, "template_kwargs": {"mood": "kind"}, "template_date": "2026-01-31"},
    )


def logits(store, policy):
    bases = Bases()
    role, base = load_policy(store, bases, policy.id), bases.of(policy)
    with torch.no_grad(), base.role(role):
        return base.logits(base.hidden(*base.collate([base.encode_prompt(PROMPT)])))


@pytest.mark.parametrize(
    ("kind", "options"), [("llama", {}), ("llama", {"dora": True}), ("gpt2", {"rslora": True}), ("qwen3moe", {})]
)
def test_a_merged_policy_is_a_bare_one_with_the_same_logits_and_template(store, tmp_path, capsys, kind, options):
    policy = publish(store, kind, tmp_path / "base", **options)
    assert app.main(["policies", "merge", policy.public, "--home", str(store.home), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    merged = store.policies.get(document["produced"][0])
    assert (merged.adapter, merged.parent_id, merged.kind) == (None, policy.id, "base")
    assert policy.versions.items() <= merged.versions.items()
    base = Bases().of(merged)
    assert base.fingerprint == merged.versions["fingerprint"]
    expected = logits(store, policy)
    torch.testing.assert_close(logits(store, merged), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    AutoModelForCausalLM.from_pretrained(document["folder"])
    assert document["bytes"] > 4 * base.causal.num_parameters()
    assert store.audit.all()[0]["action"] == "merge policy"
    assert [path.name for path in store.home.glob(".merge*")] == []


def test_the_command_says_what_it_wrote(store, tmp_path, capsys):
    publish(store, "llama", tmp_path / "base")
    assert app.main(["policies", "merge", "p1", "--home", str(store.home)]) == 0
    line = capsys.readouterr().out
    assert line.startswith("p2 is p1 merged into its base: ")
    assert line.strip().endswith(f" in {store.home.resolve() / 'policies' / 'p2'}")


def test_a_failed_merge_leaves_the_home_as_it_was(store, tmp_path, monkeypatch):
    policy = publish(store, "llama", tmp_path / "base")
    before = sorted(store.home.rglob("*"))

    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", no_room)
    with pytest.raises(OSError, match="No space left"):
        merge_policy(store, policy.public, by="test")
    assert sorted(store.home.rglob("*")) == before
    assert store.policies.count() == 1


def test_a_policy_without_an_adapter_is_refused(store, tmp_path):
    store.policies.add(name="bare", kind="base", base=str(make_tiny_model("llama", tmp_path)))
    with pytest.raises(BadInput, match="p1 has no adapter to merge"):
        merge_policy(store, "p1", by="test")


def test_a_dora_policy_can_be_trained_on_after_the_merge_that_its_refusal_names(store, tmp_path):
    policy = publish(store, "llama", tmp_path / "base", dora=True)
    with pytest.raises(BadInput, match="DoRA") as refused:
        check_stackable(store.home / policy.adapter, policy.public)
    assert app.main([*refused.value.remedy.partition("preference-loop ")[2].split(), "--home", str(store.home)]) == 0
    assert store.policies.get("p2").adapter is None
